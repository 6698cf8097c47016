"""A server with rotation, whose answer to what spends something is held until a test says so."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, final
from urllib.parse import parse_qs

from grantflow import Token


@final
class TokenServer:
    """Device sign-ins are approved at once; refresh tokens are r0, r1, ..., each good once."""

    def __init__(self) -> None:
        self.number = 0
        self.reused = False
        self.seen: list[str] = []
        self.arrived = {name: threading.Event() for name in ("device_code", "refresh_token")}
        self.held = threading.Event()  # until it is set, what is in ``holding`` has no answer
        self.holding = {"device_code", "refresh_token"}
        made = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:  # the client left
                    self.close_connection = True

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                form = {n: v[0] for n, v in parse_qs(self.rfile.read(length).decode()).items()}
                status, body = made._answer(self.path, form)
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.held.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def refresh_token(self) -> str:
        """The one that is good."""
        return f"r{self.number}"

    def old_token(self, left: timedelta) -> Token:
        now = datetime.now(UTC)
        return Token(
            access_token="a0",
            refresh_token="r0",
            issued_at=now - timedelta(hours=2),
            expires_at=now + left,
        )

    def wait_for(self, kind: str) -> None:
        """Return when a request that spends this came, and was acted on."""
        assert self.arrived[kind].wait(60), f"no {kind} was sent"

    def _answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        self.seen.append(form.get("grant_type", path))
        if path == "/device":
            return 200, {
                "device_code": "dc",
                "user_code": "ABCD-EFGH",
                "verification_uri": f"{self.issuer}/go",
                "expires_in": 600,
                "interval": 1,
            }
        kind = "refresh_token" if "refresh_token" in form else "device_code"
        if kind == "refresh_token" and form[kind] != self.refresh_token:
            self.reused = True
        if self.reused:
            return 400, {"error": "invalid_grant"}
        self.number += 1
        body: dict[str, object] = {
            "access_token": f"a{self.number}",
            "refresh_token": self.refresh_token,
            "expires_in": 3600,
        }
        self.arrived[kind].set()
        if kind in self.holding:
            self.held.wait(60)
        return 200, body
