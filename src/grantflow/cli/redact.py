"""Words that a message repeats, and those that it does not: somebody may have typed a secret.

A word is repeated where it looks like a name: plain words, of letters and perhaps a number at the
end, with . _ - between them. Tokens do not look like that, and those that do begin as makers of
tokens let theirs begin.
"""

from __future__ import annotations

import re
from typing import Final

_SHORT: Final = 6
_LONGEST: Final = 64
_WORD: Final = re.compile(r"(?:[A-Z]?[a-z]{0,19}|[A-Z]{0,7})\d{0,4}", re.ASCII)
_PREFIXES: Final = (
    *("gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_", "glpat-", "gloas-", "hf_", "npm_"),
    *("pypi-", "sk-", "xoxb-", "xoxp-", "ya29.", "eyJ", "Bearer"),
)

_NOT_REPEATED: Final = "(not repeated: it looks like a secret, which is never an argument)"


def quoted(text: str) -> str:
    """Return a word as a message repeats it, or what to say instead.

    >>> quoted("wrok"), quoted("login.example.com-2")
    ("'wrok'", "'login.example.com-2'")
    >>> quoted("hunter2hunter2")
    '(not repeated: it looks like a secret, which is never an argument)'
    """
    return repr(text) if _is_plain(text) else _NOT_REPEATED


def _is_plain(text: str) -> bool:
    if len(text) <= _SHORT:
        return True
    if len(text) > _LONGEST or text.startswith(_PREFIXES):
        return False
    return all(_WORD.fullmatch(each) for each in re.split(r"[ ./_-]", text))
