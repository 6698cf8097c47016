"""Text that never shows itself."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn, final

_MASK: Final = "Secret('***')"


@final
class Secret:
    """A password, token or code: it compares and travels, and shows itself only to ``reveal()``.

    Not an attrs class on purpose: ``attrs.asdict`` walks into attrs classes and would print it.

    >>> Secret("hunter2")
    Secret('***')
    >>> f"{Secret('hunter2'):>15}"
    "  Secret('***')"
    >>> Secret("a") == Secret("a"), Secret("a") == "a"
    (True, False)
    >>> Secret("hunter2").reveal()
    'hunter2'

    Raises ``TypeError`` for anything but text, and when it is pickled.
    """

    __slots__ = ("__text",)
    __text: str

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a Secret is made of text, not of {type(text).__name__}")
        object.__setattr__(self, "_Secret__text", text)

    def reveal(self) -> str:
        """Return the text itself; a test names every place that may ask for it."""
        return self.__text

    def redact(self, text: str) -> str:
        """Return ``text`` with this secret masked, for servers that echo what they were sent.

        So are the spellings that it may have been sent in: percent-encoded, base64, JSON.

        >>> Secret("hunter2").redact("bad password hunter2")
        'bad password ***'
        >>> Secret("p@ss/word").redact("password=p%40ss%2fword was refused")
        'password=*** was refused'
        """
        if len(self.__text) < _SHORTEST_ECHO:
            return text
        for spelling in _spellings(self.__text):
            text = text.replace(spelling, "***")
        return text

    @property
    def longest(self) -> int:
        """Return how long the longest spelling is that ``redact`` masks."""
        return max(map(len, _spellings(self.__text)))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Secret does not change")

    def __repr__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self.__text), _bytes(other.__text))

    def __hash__(self) -> int:
        return hash((Secret, self.__text))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled; grantflow.codec keeps tokens and runs")


# Masking one or two characters would garble the sentence and protect nothing.
_SHORTEST_ECHO: Final = 4


def _spellings(text: str) -> list[str]:
    """Return how a secret may have been written on the wire, the longest first."""
    # Loaded only once a server's words are shown: everybody loads this module.
    import json
    import re
    from base64 import b64encode, urlsafe_b64encode
    from urllib.parse import quote, quote_plus

    coded = [each(text, safe="", errors="surrogatepass") for each in (quote, quote_plus)]
    lower = [re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), each) for each in coded]
    inside = [json.dumps(text, ensure_ascii=narrow)[1:-1] for narrow in (True, False)]
    based = [each(_bytes(text)).decode("ascii") for each in (b64encode, urlsafe_b64encode)]
    found = {text, *coded, *lower, *inside, *based, *(each.rstrip("=") for each in based)}
    return sorted(found, key=len, reverse=True)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def secret(value: Secret | str) -> Secret:
    """Wrap plain text at once, so that no constructor keeps it naked.

    >>> secret("a") == secret(Secret("a"))
    True
    """
    return value if isinstance(value, Secret) else Secret(value)


def maybe_secret(value: Secret | str | None) -> Secret | None:
    """Wrap a secret that may be missing."""
    return None if value is None else secret(value)
