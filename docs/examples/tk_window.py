"""A sign-in window in Tk: the link, the code, a picture for a phone, the time that is left.

    python tk_window.py                           a scripted server on this machine, for a try
    python tk_window.py github --client-id ID     a provider that grantflow knows
    python tk_window.py --device-endpoint URL --token-endpoint URL --client-id ID

``TimerDriver`` runs the sign-in on Tk's own loop; ``TkLoop`` is what it needs of Tk. The words are
in ``window_parts.py``.
"""

from __future__ import annotations

import math
import queue
import tkinter as tk
import webbrowser
from collections.abc import Callable
from datetime import timedelta
from tkinter import font, ttk

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


class TkLoop:
    """What a ``TimerDriver`` needs of Tk: later on this thread, and soon from any thread.

    Tk itself may only be called on its own thread, so what comes from others waits in a queue.
    """

    def __init__(self, root: tk.Tk) -> None:
        self._root = root
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._look()

    def call_later(self, wait: timedelta, call: Callable[[], None], /) -> None:
        self._root.after(math.ceil(wait / timedelta(milliseconds=1)), call)

    def post(self, call: Callable[[], None], /) -> None:
        self._posted.put(call)

    def _look(self) -> None:
        self._root.after(50, self._look)  # first, for a call may close the window
        while not self._posted.empty():
            self._posted.get()()


class SignInWindow:
    """Signs a person in; ``signed_in`` gets the token, before the window says that it is done."""

    def __init__(
        self,
        root: tk.Tk,
        client: Client,
        signed_in: Callable[[Token], None],
        *,
        transport: Transport | None = None,
    ) -> None:
        self.root = root
        self.signed_in = signed_in
        self.code: DeviceAuthorization | None = None
        self.fonts: list[font.Font] = []  # Tk forgets a font when Python does
        self.driver = TimerDriver(DeviceFlow(client), TkLoop(root), self.show, transport=transport)
        self.build(client.provider.name)
        root.protocol("WM_DELETE_WINDOW", self.close)
        self.driver.start()
        self.tick()

    def build(self, provider: str) -> None:
        """Lay the window out: a heading, what to do, how it goes, the buttons."""
        self.root.title("Sign in")
        self.root.configure(background=PAPER)
        self.root.resizable(width=False, height=False)
        self.root.minsize(WIDTH, 0)
        self.dress()
        frame = ttk.Frame(self.root, padding=28, style="SignIn.TFrame")
        frame.pack(fill="both", expand=True)
        self.label(frame, f"Sign in to {printable(provider)}", "Title").pack()

        self.steps = ttk.Frame(frame, style="SignIn.TFrame")
        self.label(self.steps, "Open this link in any browser, on any device:").pack(pady=(18, 4))
        self.link = self.label(self.steps, "", "Link")
        self.link.configure(cursor="hand2", takefocus=True)
        for how in ("<Button-1>", "<Return>"):
            self.link.bind(how, lambda _: self.open())
        self.link.pack()
        self.canvas = tk.Canvas(self.steps, background=PAPER, highlightthickness=0)
        self.canvas.pack(pady=6)
        self.label(self.steps, "Enter this code, or check that the page shows it:").pack(
            pady=(0, 4)
        )
        self.shown = self.label(self.steps, "", "Code")
        self.shown.pack()

        self.said = self.label(frame, "")
        self.said.pack(pady=(20, 2))
        self.left = self.label(frame, "", "Faint")
        self.left.pack()

        self.buttons = ttk.Frame(frame, style="SignIn.TFrame")
        self.buttons.pack(fill="x", pady=(18, 0))
        self.button = self.pushed("Cancel", self.cancel)
        self.button.pack(side="right")
        self.copy = self.pushed("Copy the code", self.copy_code)
        self.root.bind("<Escape>", lambda _: self.cancel())

    def dress(self) -> None:
        """Set fonts and colours, under names of our own: other windows keep theirs."""
        style = ttk.Style(self.root)
        if style.theme_use() == "default":
            style.theme_use("clam")  # the least grey of those that every Tk has
        style.configure("SignIn.TFrame", background=PAPER)
        style.configure("SignIn.TButton", padding=(14, 6), background="#f3f4f6")
        plain, fixed = font.nametofont("TkDefaultFont"), font.nametofont("TkFixedFont")
        for name, kind, colour, size in (
            ("Plain", plain, INK, 11),
            ("Faint", plain, FAINT, 10),
            ("Title", plain, INK, 18),
            ("Link", plain, LINK, 11),
            ("Code", fixed, INK, 30),
        ):
            made = kind.copy()
            made.configure(size=size, weight="bold" if size > 11 else "normal")
            made.configure(underline=name == "Link")
            self.fonts.append(made)
            style.configure(f"{name}.TLabel", background=PAPER, foreground=colour, font=made)

    def label(self, parent: ttk.Frame, text: str, style: str = "Plain") -> ttk.Label:
        return ttk.Label(
            parent, text=text, style=f"{style}.TLabel", wraplength=WIDTH - 60, justify="center"
        )

    def pushed(self, text: str, call: Callable[[], None]) -> ttk.Button:
        return ttk.Button(self.buttons, text=text, command=call, style="SignIn.TButton")

    def show(self, state: DeviceState) -> None:
        """Show a state; the driver calls this for each, the first and the last included."""
        if isinstance(state, Authorized):
            self.signed_in(state.token)
        text, colour = words(state)
        self.said.configure(text=text, foreground=colour)
        self.count(state)
        if isinstance(state, (Pending, SlowDown)):
            if state.authorization != self.code:
                self.invite(state.authorization)
        elif not isinstance(state, Started):
            self.steps.pack_forget()  # nobody shall enter a code that is dead
            self.copy.pack_forget()
            self.button.configure(text="Close")

    def invite(self, code: DeviceAuthorization) -> None:
        """Show the person what to do."""
        self.code = code
        self.link.configure(text=printable(code.verification_uri))
        self.shown.configure(text=printable(code.user_code))
        self.draw(picture(code.verification_uri_complete or code.verification_uri))
        self.steps.pack(before=self.said)
        self.copy.pack(side="left")

    def draw(self, rows: list[list[bool]]) -> None:
        """Draw a QR code, its modules as whole pixels."""
        size = max(220 // len(rows), 3) if rows else 0
        self.canvas.delete("all")
        self.canvas.configure(width=size * len(rows), height=size * len(rows))
        for y, row in enumerate(rows):
            for x, dark in enumerate(row):
                if dark:
                    corner = (x * size, y * size, (x + 1) * size, (y + 1) * size)
                    self.canvas.create_rectangle(corner, fill=INK, width=0)

    def tick(self) -> None:
        """Count down, four times a second."""
        self.root.after(250, self.tick)
        if self.driver.run is not None:
            self.count(self.driver.run.phase)

    def count(self, state: DeviceState) -> None:
        """Show the time that is left, by the clock that the driver goes by."""
        self.left.configure(text=countdown(state, self.driver.clock.now()))

    def open(self) -> None:
        """Open the link in a browser, with the code in it where the server can."""
        if self.code is not None:
            webbrowser.open(self.code.verification_uri_complete or self.code.verification_uri)

    def copy_code(self) -> None:
        if self.code is not None:
            self.root.clipboard_clear()
            self.root.clipboard_append(self.code.user_code)

    def cancel(self) -> None:
        """Give up; at the end, close the window."""
        if self.button["text"] == "Close":
            self.close()
        else:
            self.driver.cancel()

    def close(self) -> None:
        """Give up, if that is not done, and go."""
        self.driver.cancel()
        self.root.destroy()


def main() -> None:
    """Sign in; the window may be closed when that is done."""
    with arranged() as (client, keep):
        root = tk.Tk()
        SignInWindow(root, client, keep)
        root.mainloop()


if __name__ == "__main__":
    main()
