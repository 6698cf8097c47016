"""One process of a fleet: gets a token from a shared store, and prints what it got.

``python token_process.py ISSUER DIRECTORY GRANT [LOOP]`` says that it is ready and waits for a
line, so that all of them begin together. With LOOP, 20 tasks of that event loop get it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from grantflow import Client, FileStore, Provider, Token, TokenSource
from grantflow.core.client.identity import Grant
from grantflow.shell.aio import AsyncTokenSource


def client_of(issuer: str) -> Client:
    provider = Provider(
        name="test",
        issuer=issuer,
        token_endpoint=f"{issuer}/token",
        device_authorization_endpoint=f"{issuer}/device",
    )
    return Client(provider=provider, client_id="app", scope="read")


def kind_of(grant: str) -> Grant:
    return "client_credentials" if grant == "client_credentials" else "device"


def source(issuer: str, directory: str, grant: str) -> TokenSource:
    store = FileStore(Path(directory))
    return TokenSource(client_of(issuer), kind_of(grant), store=store, interactive=False)


def awaiting(issuer: str, directory: str, grant: str) -> AsyncTokenSource:
    store = FileStore(Path(directory))
    return AsyncTokenSource(client_of(issuer), kind_of(grant), store=store, interactive=False)


async def tokens_of(made: AsyncTokenSource, tasks: int) -> list[Token]:
    """Get a token in each of many tasks at once."""
    tokens: list[Token] = []

    async def get() -> None:
        tokens.append(await made.token())

    async with anyio.create_task_group() as group:
        for _ in range(tasks):
            group.start_soon(get)
    return tokens


def got(arguments: list[str], loop: str | None) -> list[Token]:
    if loop is None:
        return [source(*arguments).token()]
    return anyio.run(tokens_of, awaiting(*arguments), 20, backend=loop)


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    print(*{each.access_token.reveal() for each in got(sys.argv[1:4], (*sys.argv, None)[4])})
