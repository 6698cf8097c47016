"""An application that signs in. ``test_app.py`` beside it tests it: no network, no waiting.

python app.py [URL]    the URL is that of the login server
"""

from __future__ import annotations

import sys

from grantflow import Client, GrantError, Provider, TokenSource

LOGIN = "https://login.acme.example"


def acme(login: str = LOGIN) -> Provider:
    """Return the provider that this application signs in at."""
    return Provider(
        name="acme",
        token_endpoint=f"{login}/token",
        device_authorization_endpoint=f"{login}/device",
    )


def rights(source: TokenSource) -> str:
    """Say what the person who signed in may do."""
    try:
        token = source.token()
    except GrantError as error:
        return f"Not signed in: {error}."
    return f"Signed in; you may {' and '.join(token.scope)}."


def main(login: str = LOGIN) -> None:
    """Sign in, unless that was done before; the token is kept in a file."""
    print(rights(TokenSource(Client(provider=acme(login), client_id="app", scope="read write"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
