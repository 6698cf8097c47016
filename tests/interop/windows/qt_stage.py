"""The window of ``qt_window.py``, as ``stage.py`` plays it: off the screen."""

from __future__ import annotations

from collections.abc import Callable

import qt_window
from PySide6.QtCore import QObject, QPoint, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QWidget

from grantflow import Client, Token, Transport


class Browser(QObject):
    """Where links go."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.opened.append(url.toString())


class Stage:
    def __init__(
        self, client: Client, signed_in: Callable[[Token], None], transport: Transport
    ) -> None:
        self.app = QApplication([])
        self.browser = Browser()
        for scheme in ("http", "https"):
            QDesktopServices.setUrlHandler(scheme, self.browser, "open")
        self.loop = qt_window.QtLoop()
        self.window = qt_window.SignInWindow(client, signed_in, transport=transport)
        self.parts: dict[str, QLabel | QPushButton] = {
            "said": self.window.said,
            "left": self.window.left,
            "link": self.window.link,
            "code": self.window.shown,
            "canvas": self.window.canvas,
            "button": self.window.button,
            "copy": self.window.copy,
        }

    def play(self) -> None:
        self.window.show()
        self.app.exec()

    def look(self) -> dict[str, object]:
        everything = self.window.findChildren(QLabel) + self.window.findChildren(QPushButton)
        return {
            "texts": {name: part.text() for name, part in self.parts.items()},
            "boxes": {name: self.box(part) for name, part in self.parts.items() if part.isVisible()}
            | {"window": (0, 0, self.window.width(), self.window.height())},
            "clipped": [part.text() for part in everything if part.isVisible() and cut(part)],
            "clipboard": QGuiApplication.clipboard().text(),
            "opened": self.browser.opened,
        }

    def box(self, part: QWidget) -> tuple[int, int, int, int]:
        corner = part.mapTo(self.window, QPoint(0, 0))
        return corner.x(), corner.y(), part.width(), part.height()

    def click(self, part: str) -> None:
        QTest.mouseClick(self.parts[part], Qt.MouseButton.LeftButton)

    def shoot(self, file: str) -> None:
        self.window.grab().save(file)

    def close(self) -> None:
        self.window.close()


def cut(part: QLabel | QPushButton) -> bool:
    if isinstance(part, QPushButton):
        return part.sizeHint().width() > part.width() or part.sizeHint().height() > part.height()
    needed = part.fontMetrics().boundingRect(
        part.contentsRect(), Qt.TextFlag.TextWordWrap, "" if "<" in part.text() else part.text()
    )
    return needed.width() > part.width() or needed.height() > part.height()
