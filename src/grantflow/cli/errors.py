"""Why a command ends early: a problem, what to do about it, and the exit code.

Rules:

1. The problem and the advice are apart until a line is printed; no line is read back.
2. A word from the command line is repeated only if it looks like a name: it may be a secret.
"""

from __future__ import annotations

import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FAILED = 1
USAGE = 2
PERSON_NEEDED = 3
INTERRUPTED = 130


class CommandError(Exception):
    """Ends the command. ``kind`` is for programs: the ``error`` of ``login --json``."""

    def __init__(
        self, problem: str, advice: str = "", *, code: int = FAILED, kind: str = "failed"
    ) -> None:
        super().__init__(f"{problem}; {advice}" if advice else problem)
        self.problem = problem
        self.advice = advice
        self.code = code
        self.kind = kind


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


def nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return the advice about an unknown word: a suggestion, else ``otherwise``.

    >>> nearest("stauts", ["status", "list"], "see --help")
    "did you mean 'status'?"
    >>> nearest("xyz", ["status", "list"], "see --help")
    'see --help'
    """
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), cutoff=0.6)
    return f"did you mean {' or '.join(map(repr, found))}?" if found else otherwise


_SHORT = 6
_LONGEST = 64
_WORD = r"(?:[A-Z]?[a-z]{0,19}|[A-Z]{0,7})\d{0,4}"
_PREFIXES = (
    *("gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_", "glpat-", "gloas-", "hf_", "npm_"),
    *("pypi-", "sk-", "xoxb-", "xoxp-", "ya29.", "eyJ", "Bearer"),
)
"""Known token prefixes."""

_REDACTED = "(not repeated: it looks like a secret, which is never an argument)"


def quoted(text: str) -> str:
    """Return a word as a message repeats it, or what to say instead.

    Names are plain words, of letters and perhaps a number at the end, with . _ - between them.

    >>> quoted("wrok"), quoted("login.example.com-2")
    ("'wrok'", "'login.example.com-2'")
    >>> quoted("hunter2hunter2")
    '(not repeated: it looks like a secret, which is never an argument)'
    """
    return repr(text) if _is_plain(text) else _REDACTED


def _is_plain(text: str) -> bool:
    if len(text) <= _SHORT:
        return True
    if len(text) > _LONGEST or text.startswith(_PREFIXES):
        return False
    return all(re.fullmatch(_WORD, each, re.ASCII) for each in re.split(r"[ ./_-]", text))
