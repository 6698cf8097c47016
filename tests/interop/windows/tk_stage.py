"""The window of ``tk_window.py``, as ``stage.py`` plays it."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Iterator
from tkinter import ttk

import tk_window

from grantflow import Client, Token, Transport


class Stage:
    def __init__(
        self, client: Client, signed_in: Callable[[Token], None], transport: Transport
    ) -> None:
        self.root = tk.Tk()
        self.loop = tk_window.TkLoop(self.root)
        self.window = tk_window.SignInWindow(self.root, client, signed_in, transport=transport)

    def play(self) -> None:
        self.root.mainloop()

    def look(self) -> dict[str, object]:
        window = self.window
        parts = {
            "said": window.said,
            "left": window.left,
            "link": window.link,
            "code": window.shown,
            "button": window.button,
            "copy": window.copy,
        }
        boxes = {**parts, "canvas": window.canvas, "window": self.root}
        return {
            "texts": {name: str(part["text"]) for name, part in parts.items()},
            "boxes": {name: box(part) for name, part in boxes.items() if seen(part)},
            "clipped": [str(part["text"]) for part in inside(self.root) if cut(part)],
            "clipboard": self.clipboard(),
        }

    def clipboard(self) -> str:
        try:
            return self.root.clipboard_get()
        except tk.TclError:
            return ""


def box(part: tk.Misc) -> tuple[int, int, int, int]:
    return part.winfo_rootx(), part.winfo_rooty(), part.winfo_width(), part.winfo_height()


def seen(part: tk.Misc) -> bool:
    return bool(part.winfo_viewable()) and part.winfo_width() > 1


def inside(part: tk.Misc) -> Iterator[ttk.Label | ttk.Button]:
    for child in part.winfo_children():
        if isinstance(child, (ttk.Label, ttk.Button)) and seen(child):
            yield child
        yield from inside(child)


def cut(part: tk.Misc) -> bool:
    return part.winfo_reqwidth() > part.winfo_width() or part.winfo_reqheight() > (
        part.winfo_height()
    )
