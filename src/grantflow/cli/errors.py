"""Why a command ends early: a problem, what to do about it, and the exit code.

Rules:

1. The problem and the advice are apart until a line is printed; no line is read back.
2. A word from the command line is repeated only if it looks like a name: it may be a secret.
"""

from __future__ import annotations

import sys

from grantflow.shell.profiles.errors import ProfileError, nearest, quoted

__all__ = [
    "CommandError",
    "ProfileError",
    "login_required",
    "nearest",
    "quoted",
    "usage",
    "verdict",
]

FAILED = 1
USAGE = 2
PERSON_NEEDED = 3
INTERRUPTED = 130


class CommandError(ProfileError):
    """Ends the command. ``kind`` is for programs: the ``error`` of ``login --json``."""

    def __init__(
        self, problem: str, advice: str = "", *, code: int = FAILED, kind: str = "failed"
    ) -> None:
        super().__init__(problem, advice, kind=kind)
        self.code = code


def usage(problem: str, advice: str = "") -> CommandError:
    """Return the error of a command line that cannot be carried out."""
    return CommandError(problem, advice, code=USAGE, kind="usage")


def login_required(problem: str, advice: str) -> CommandError:
    """Return the error of a command that only a person can help."""
    return CommandError(problem, advice, code=PERSON_NEEDED, kind="login_required")


def verdict(error: Exception) -> CommandError:
    """Return the error of whatever ended the command."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, ProfileError):
        code = {"usage": USAGE, "login_required": PERSON_NEEDED}.get(error.kind, FAILED)
        return CommandError(error.problem, error.advice, code=code, kind=error.kind)
    if isinstance(error, OSError):
        from grantflow.shell.ports import StoreError

        if isinstance(error, StoreError):
            advice = "check the directory, or set GRANTFLOW_HOME to another one"
            said = str(error)
            return CommandError(said, "" if "GRANTFLOW_HOME" in said else advice, kind="store")
        name = "" if error.filename is None else f"{error.filename}: "
        return CommandError(f"{name}{error.strerror or error}")
    return _bug(error)


def _bug(error: Exception) -> CommandError:
    import traceback

    # Not its message: that may quote anything, a secret as well.
    place = traceback.extract_tb(error.__traceback__)[-1]
    at = f"{place.filename.replace(chr(92), '/').rpartition('/')[2]}:{place.lineno}"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return CommandError(
        f"this is a bug in grantflow: {type(error).__name__} at {at} (Python {python})",
        "please report this line, with the output of grantflow --version",
    )
