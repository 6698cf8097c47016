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

        >>> Secret("hunter2").redact("bad password hunter2")
        'bad password ***'
        """
        return text.replace(self.__text, "***") if len(self.__text) >= _SHORTEST_ECHO else text

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
        raise TypeError("a Secret is not pickled; grantflow.core.codec keeps tokens and runs")


# Masking one or two characters would garble the sentence and protect nothing.
_SHORTEST_ECHO: Final = 4


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
