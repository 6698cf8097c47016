"""A sign-in window in Qt (PySide6): the link, the code, a picture for a phone, the time left.

    python qt_window.py                           a scripted server on this machine, for a try
    python qt_window.py github --client-id ID     a provider that grantflow knows
    python qt_window.py --device-endpoint URL --token-endpoint URL --client-id ID

``TimerDriver`` runs the sign-in on Qt's own loop; ``QtLoop`` is what it needs of Qt. The words are
in ``window_parts.py``. PySide6 6.12.0 crashes on Python 3.11; 6.11 does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from html import escape

from PySide6.QtCore import QObject, Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QColor,
    QDesktopServices,
    QFont,
    QFontDatabase,
    QGuiApplication,
    QImage,
    QKeySequence,
    QPixmap,
    QShortcut,
)
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from window_parts import (
    FAINT,
    INK,
    LINK,
    PAPER,
    arranged,
    countdown,
    picture,
    printable,
    words,
)

from grantflow import (
    Authorized,
    Client,
    DeviceAuthorization,
    DeviceFlow,
    DeviceState,
    Pending,
    SlowDown,
    Started,
    Token,
    Transport,
)
from grantflow.timer import TimerDriver

WIDTH = 460

LOOK = f"""
QWidget {{ background: {PAPER}; color: {INK}; }}
QPushButton {{ background: #f3f4f6; border: 1px solid #afb8c1; border-radius: 4px;
               padding: 7px 18px; min-width: 90px; }}
QPushButton:hover, QPushButton:focus {{ border-color: {LINK}; }}
"""


class QtLoop(QObject):
    """What a ``TimerDriver`` needs of Qt: later on this thread, and soon from any thread."""

    posted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        # To a slot of an object of this thread: Qt queues what another thread emits.
        self.posted.connect(self._called)

    def call_later(self, wait: timedelta, call: Callable[[], None], /) -> None:
        QTimer.singleShot(math.ceil(wait / timedelta(milliseconds=1)), call)

    def post(self, call: Callable[[], None], /) -> None:
        self.posted.emit(call)

    @Slot(object)
    def _called(self, call: Callable[[], None]) -> None:
        call()


class SignInWindow(QWidget):
    """Signs a person in; ``signed_in`` gets the token, before the window says that it is done."""

    def __init__(
        self,
        client: Client,
        signed_in: Callable[[Token], None],
        *,
        transport: Transport | None = None,
    ) -> None:
        super().__init__()
        self.signed_in = signed_in
        self.code: DeviceAuthorization | None = None
        self.driver = TimerDriver(DeviceFlow(client), QtLoop(), self.watch, transport=transport)
        self.build(client.provider.name)
        self.timer = QTimer(self)
        self.timer.timeout.connect(self.tick)
        self.timer.start(250)
        self.driver.start()

    def build(self, provider: str) -> None:
        """Lay the window out: a heading, what to do, how it goes, the buttons."""
        self.setWindowTitle("Sign in")
        self.setStyleSheet(LOOK)
        everything = QVBoxLayout(self)
        everything.setContentsMargins(28, 28, 28, 28)
        everything.setSizeConstraint(QVBoxLayout.SizeConstraint.SetFixedSize)
        everything.addStrut(WIDTH - 2 * 28)
        everything.addWidget(self.label(f"Sign in to {printable(provider)}", 18, bold=True))

        self.steps = QWidget()
        steps = QVBoxLayout(self.steps)
        steps.setContentsMargins(0, 14, 0, 0)
        steps.addWidget(self.label("Open this link in any browser, on any device:"))
        self.link = self.label()
        self.link.setTextFormat(Qt.TextFormat.RichText)
        self.link.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.link.linkActivated.connect(self.open)
        steps.addWidget(self.link)
        self.canvas = self.label()
        steps.addWidget(self.canvas)
        steps.addWidget(self.label("Enter this code, or check that the page shows it:"))
        self.shown = self.label(size=30, bold=True)
        fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        self.shown.setFont(sized(fixed, 30, bold=True))
        self.shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        steps.addWidget(self.shown)
        everything.addWidget(self.steps)
        self.steps.hide()

        everything.addSpacing(14)
        self.said = self.label()
        everything.addWidget(self.said)
        self.left = self.label(size=10)
        self.left.setStyleSheet(f"color: {FAINT}")
        everything.addWidget(self.left)

        everything.addSpacing(14)
        buttons = QHBoxLayout()
        self.copy = QPushButton("Copy the code")
        self.copy.clicked.connect(self.copy_code)
        self.copy.hide()
        self.button = QPushButton("Cancel")
        self.button.clicked.connect(self.cancel)
        buttons.addWidget(self.copy)
        buttons.addStretch()
        buttons.addWidget(self.button)
        everything.addLayout(buttons)
        QShortcut(QKeySequence("Esc"), self, self.cancel)

    def label(self, text: str = "", size: int = 11, *, bold: bool = False) -> QLabel:
        made = QLabel(text)
        made.setTextFormat(Qt.TextFormat.PlainText)
        made.setAlignment(Qt.AlignmentFlag.AlignCenter)
        made.setWordWrap(True)
        made.setFont(sized(made.font(), size, bold=bold))
        return made

    def watch(self, state: DeviceState) -> None:
        """Show a state; the driver calls this for each, the first and the last included."""
        if isinstance(state, Authorized):
            self.signed_in(state.token)
        text, colour = words(state)
        self.said.setText(text)
        self.said.setStyleSheet(f"color: {colour}")
        self.count(state)
        if isinstance(state, (Pending, SlowDown)):
            if state.authorization != self.code:
                self.invite(state.authorization)
        elif not isinstance(state, Started):
            self.steps.hide()  # nobody shall enter a code that is dead
            self.copy.hide()
            self.button.setText("Close")

    def invite(self, code: DeviceAuthorization) -> None:
        """Show the person what to do."""
        self.code = code
        link = escape(printable(code.verification_uri))
        self.link.setText(f'<a href="{link}" style="color: {LINK}">{link}</a>')
        self.shown.setText(printable(code.user_code))
        rows = picture(code.verification_uri_complete or code.verification_uri)
        self.canvas.setPixmap(drawn(rows))
        self.canvas.setVisible(bool(rows))
        self.steps.show()
        self.copy.show()

    def tick(self) -> None:
        """Count down, four times a second."""
        if self.driver.run is not None:
            self.count(self.driver.run.phase)

    def count(self, state: DeviceState) -> None:
        """Show the time that is left, by the clock that the driver goes by."""
        self.left.setText(countdown(state, self.driver.clock.now()))

    def open(self) -> None:
        """Open the link in a browser, with the code in it where the server can."""
        if self.code is not None:
            link = self.code.verification_uri_complete or self.code.verification_uri
            QDesktopServices.openUrl(QUrl(link))

    def copy_code(self) -> None:
        if self.code is not None:
            QGuiApplication.clipboard().setText(self.code.user_code)

    def cancel(self) -> None:
        """Give up; at the end, close the window."""
        if self.button.text() == "Close":
            self.close()
        else:
            self.driver.cancel()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt calls it so
        """Give up, if that is not done, and go."""
        self.timer.stop()
        self.driver.cancel()
        event.accept()


def sized(font: QFont, points: int, *, bold: bool = False) -> QFont:
    """Return the font in another size."""
    made = QFont(font)
    made.setPointSize(points)
    made.setBold(bold)
    return made


def drawn(rows: list[list[bool]]) -> QPixmap:
    """Return a QR code, its modules as whole pixels; without rows, nothing."""
    image = QImage(len(rows), len(rows), QImage.Format.Format_RGB32)
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            image.setPixelColor(x, y, QColor(INK if dark else PAPER))
    size = max(220 // len(rows), 3) * len(rows) if rows else 0
    return QPixmap.fromImage(image.scaled(size, size)) if rows else QPixmap()


def main() -> None:
    """Sign in; the window may be closed when that is done."""
    with arranged() as (client, keep):
        app = QApplication([])
        window = SignInWindow(client, keep)
        window.show()
        app.exec()


if __name__ == "__main__":
    main()
