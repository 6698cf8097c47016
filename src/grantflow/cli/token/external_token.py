"""A token that was handed over, instead of being asked for."""

from __future__ import annotations

from grantflow.cli.errors import usage
from grantflow.core.values.json import Members
from grantflow.core.values.parsing import sendable
from grantflow.core.values.result import either
from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token
from grantflow.shell.environment import token_variable


def variable(profile: str | None) -> str | None:
    """Return the variable that holds a token of this profile, if one is set."""
    return token_variable(profile)


def handed_over(text: str, where: str) -> Token:
    """Return ``text`` as a token whose end is unknown, if a header can carry it."""
    match either(sendable(Members({"access_token": text.strip()}), "access_token")):
        case Secret() as found:
            return Token(access_token=found)
        case str():
            problem = "holds characters that no token has" if text.strip() else "is empty"
            raise usage(f"{where} {problem}; a token alone is needed there")
