"""Why a profile cannot be used: a problem, and what to do about it.

Rules:

1. The problem and the advice are apart until a line is printed; no line is read back.
2. A word from the caller is repeated only if it looks like a name: it may be a secret.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class ProfileError(Exception):
    """A profile cannot be used: ``problem`` says why, ``advice`` what to do about it.

    ``kind`` is one word for programs, such as ``unknown_profile`` or ``login_required``.
    """

    def __init__(self, problem: str, advice: str = "", *, kind: str = "failed") -> None:
        super().__init__(f"{problem}; {advice}" if advice else problem)
        self.problem = problem
        self.advice = advice
        self.kind = kind


def usage(problem: str, advice: str = "") -> ProfileError:
    """Return the error of something that cannot be done as it was asked."""
    return ProfileError(problem, advice, kind="usage")


def login_required(problem: str, advice: str) -> ProfileError:
    """Return the error of something that only a person can help."""
    return ProfileError(problem, advice, kind="login_required")


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
