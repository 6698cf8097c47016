"""An MCP server by the SDK, whose tokens another server issues; run with the SDK's own Python.

python server.py --port N --issuer URL --introspection URL --client-id ID --ready FILE
                 --refused FILE [--scope S]...

The client's secret is in MCP_SECRET; the tokens in --refused are taken for revoked. It ends when
its standard input does.
"""

import argparse
import asyncio
import os
import sys
import threading
from pathlib import Path

import httpx2
import uvicorn
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

reader = argparse.ArgumentParser()
for name in ("port", "issuer", "introspection", "client-id", "ready", "refused"):
    reader.add_argument(f"--{name}", required=True)
reader.add_argument("--scope", action="append", default=[])
options = reader.parse_args()
URL = f"http://127.0.0.1:{options.port}/mcp"


class Introspection(TokenVerifier):
    """Asks the authorization server about each token (RFC 7662)."""

    async def verify_token(self, token: str) -> AccessToken | None:
        refused = Path(options.refused)
        if refused.exists() and token in refused.read_text().split():
            return None
        async with httpx2.AsyncClient(trust_env=False) as http:
            reply = await http.post(
                options.introspection,
                data={"token": token},
                auth=(options.client_id, os.environ["MCP_SECRET"]),
            )
        found = reply.json()
        if not found.get("active"):
            return None
        audience = found.get("aud")
        return AccessToken(
            token=token,
            client_id=found["client_id"],
            scopes=found.get("scope", "").split(),
            expires_at=found.get("exp"),
            resource=audience[0] if isinstance(audience, list) else audience,
            subject=found.get("sub"),
        )


mcp = MCPServer(
    "notes",
    token_verifier=Introspection(),
    auth=AuthSettings(
        issuer_url=options.issuer,
        resource_server_url=URL,
        required_scopes=options.scope,
        validate_token_resource=True,
    ),
)


@mcp.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def main() -> None:
    config = uvicorn.Config(
        mcp.streamable_http_app(json_response=True, stateless_http=True),
        host="127.0.0.1",
        port=int(options.port),
        log_level="warning",
    )
    server = uvicorn.Server(config)

    def end() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=end, daemon=True).start()
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)
    Path(options.ready).write_text("ready")
    await serving


asyncio.run(main())
