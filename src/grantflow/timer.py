"""The driver for programs with an event loop of their own, such as a window."""

from grantflow.shell.timer import Loop, TimerDriver

__all__ = ["Loop", "TimerDriver"]
