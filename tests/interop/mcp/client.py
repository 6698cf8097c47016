"""An MCP client by the SDK, which calls a tool; run with the SDK's own Python.

python client.py URL library        tokens of grantflow's profile for the URL, renewed after a 401
python client.py URL headers        the headers on standard input (token --format headers-json)

It prints one JSON object: the tool's answer, or what was missing.
"""

import asyncio
import json
import sys

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

url, way = sys.argv[1:]
missing: list[str] = []


def http() -> httpx2.AsyncClient:
    if way == "headers":
        return httpx2.AsyncClient(headers=json.load(sys.stdin), trust_env=False)
    from grantflow import step_up
    from grantflow.aio import AsyncTokenSource
    from grantflow.integrations.httpx import TokenAuth

    def challenged(challenge: object, *_: object) -> None:
        missing.append(f"{challenge.error}: {step_up(challenge)}")

    source = AsyncTokenSource.for_url(url)
    return httpx2.AsyncClient(auth=TokenAuth(source, on_challenge=challenged), trust_env=False)


async def main() -> None:
    async with http() as connection:
        transport = streamable_http_client(url, http_client=connection)
        async with Client(transport) as client:
            found = await client.call_tool("add", {"a": 2, "b": 3})
    print(json.dumps({"answer": found.structured_content}))


try:
    asyncio.run(main())
except Exception as error:  # noqa: BLE001 - the SDK raises groups of anything
    print(json.dumps({"missing": missing, "error": type(error).__name__}))
    raise SystemExit(1) from None
