"""A small authorization server: Authlib's own endpoints and grants over dictionaries.

python tests/interop/authlib_server.py --port 0 --endpoints endpoints.json
"""

# Authlib ships no types: its base classes are Any here, whatever the project's settings say.
# mypy: disable-error-code="import-untyped,misc,untyped-decorator,no-any-unimported,explicit-any"
# pyright: basic

import argparse
import hmac
import json
import logging
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8628 import (
    DEVICE_CODE_GRANT_TYPE,
    DeviceAuthorizationEndpoint,
    DeviceCodeGrant,
    DeviceCredentialMixin,
)
from flask import Flask, Response, jsonify, render_template_string, request
from werkzeug.serving import make_server

SCOPES = ("profile", "offline_access", "api:read", "api:write")
DEVICE_GRANTS = (DEVICE_CODE_GRANT_TYPE, "refresh_token")
MACHINE_GRANTS = ("client_credentials",)
SECRET = "correct-horse-battery-staple"
PERSON = "alice"
SLOW_DOWN_STEP = 5.0

PATHS = {
    "device_authorization_endpoint": "/oauth/device",
    "token_endpoint": "/oauth/token",
    "revocation_endpoint": "/oauth/revoke",
    "introspection_endpoint": "/oauth/introspect",
    "userinfo_endpoint": "/userinfo",
}
VERIFICATION = "/activate"
METADATA = "/.well-known/oauth-authorization-server"
STATS = "/_stats"

PAGE = """<!doctype html>
<title>Connect a device</title>
<p id="note">{{ note }}</p>
{% if not done %}
<form method="post">
  {% if known %}
  <p>Code {{ user_code }}</p>
  <input type="hidden" name="user_code" value="{{ user_code }}">
  <button type="submit" name="verdict" value="allow">Allow</button>
  <button type="submit" name="verdict" value="deny">Deny</button>
  {% else %}
  <label>Code <input type="text" name="user_code" autofocus></label>
  <button type="submit">Continue</button>
  {% endif %}
</form>
{% endif %}
"""


@dataclass(frozen=True)
class Settings:
    """What a test may turn."""

    device_ttl: int = 600
    access_ttl: int = 3600
    interval: int = 5
    token_delay_ms: int = 0


@dataclass(frozen=True)
class Client(ClientMixin):
    client_id: str
    secret: str
    auth: str
    grant_types: tuple[str, ...]

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(name for name in (scope or "").split() if name in SCOPES)

    def check_client_secret(self, client_secret: str) -> bool:
        return hmac.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.auth

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grant_types


CLIENTS = {
    "device-public": Client("device-public", "", "none", DEVICE_GRANTS),
    "device-basic": Client("device-basic", SECRET, "client_secret_basic", DEVICE_GRANTS),
    "cc-basic": Client("cc-basic", SECRET, "client_secret_basic", MACHINE_GRANTS),
    "cc-post": Client("cc-post", SECRET, "client_secret_post", MACHINE_GRANTS),
    # Every character that RFC 6749 section 2.3.1 wants encoded before base64, and text that
    # changes when it is decoded once too often.
    "odd": Client("odd +%/&=:ä%2B", "p+%/&=: ä%C3%A4", "client_secret_basic", MACHINE_GRANTS),
}
CLIENTS_BY_ID = {client.client_id: client for client in CLIENTS.values()}


@dataclass
class Code(DeviceCredentialMixin):
    """A device code, the person's answer to it, and how fast it may be polled."""

    client_id: str
    scope: str
    user_code: str
    expires_at: float
    interval: float
    polled_at: float | None = None
    allowed: bool | None = None

    def get_client_id(self) -> str:
        return self.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_user_code(self) -> str:
        return self.user_code

    def is_expired(self) -> bool:
        return time.monotonic() >= self.expires_at


@dataclass
class Token(TokenMixin):
    """An access token and its refresh token, which live and die together."""

    client_id: str
    scope: str
    user: str | None
    expires_in: int
    issued_at: float = field(default_factory=time.time)
    revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return self.expires_in

    def is_expired(self) -> bool:
        return time.time() >= self.issued_at + self.expires_in

    def is_revoked(self) -> bool:
        return self.revoked


class Server(AuthorizationServer):
    """Authlib's server with the dictionaries that its grants and endpoints look into."""

    def __init__(self, app: Flask, issuer: str, settings: Settings) -> None:
        super().__init__(app, CLIENTS_BY_ID.get, self.keep)
        self.issuer = issuer
        self.settings = settings
        self.codes: dict[str, Code] = {}
        self.access: dict[str, Token] = {}
        self.refresh: dict[str, Token] = {}

    def keep(self, issued: Mapping[str, object], asked: OAuth2Request) -> None:
        token = Token(
            client_id=cast("Client", asked.client).client_id,
            scope=str(issued.get("scope") or ""),
            user=asked.user,
            expires_in=self.settings.access_ttl,
        )
        self.access[str(issued["access_token"])] = token
        if "refresh_token" in issued:
            self.refresh[str(issued["refresh_token"])] = token
        # Authlib leaves it to us that a device code works once.
        self.codes.pop(asked.form.get("device_code", ""), None)

    def find(self, value: str) -> Token | None:
        # No hint is needed, and RFC 7009 section 2.1 has a wrong one hide nothing.
        return self.access.get(value) or self.refresh.get(value)

    def code_of(self, user_code: str) -> Code | None:
        return next((code for code in self.codes.values() if code.user_code == user_code), None)


class DeviceEndpoint(DeviceAuthorizationEndpoint):
    server: Server

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.EXPIRES_IN = server.settings.device_ttl
        self.INTERVAL = server.settings.interval

    def get_verification_uri(self) -> str:
        return self.server.issuer + VERIFICATION

    def save_device_credential(
        self, client_id: str, scope: str | None, data: Mapping[str, object]
    ) -> None:
        self.server.codes[str(data["device_code"])] = Code(
            client_id=client_id,
            scope=scope or "",
            user_code=str(data["user_code"]),
            expires_at=time.monotonic() + self.EXPIRES_IN,
            interval=self.INTERVAL,
        )


class DeviceGrant(DeviceCodeGrant):
    server: Server

    def query_device_credential(self, device_code: str) -> Code | None:
        return self.server.codes.get(device_code)

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        code = self.server.code_of(user_code)
        return None if code is None or code.allowed is None else (PERSON, code.allowed)

    def should_slow_down(self, credential: Code) -> bool:
        """Strict on purpose: no tolerance, and each slow_down lengthens the interval."""
        now = time.monotonic()
        early = (
            credential.polled_at is not None and now < credential.polled_at + credential.interval
        )
        credential.polled_at = now
        if early:
            credential.interval += SLOW_DOWN_STEP
        return early


class Refresh(RefreshTokenGrant):
    """Rotates. Unlike oidc-provider it lets the family live when an old token comes back."""

    server: Server
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "none")
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        token = self.server.refresh.get(refresh_token)
        return None if token is None or token.revoked else token

    def authenticate_user(self, refresh_token: Token) -> str | None:
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.revoked = True


class ClientCredentials(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


class Revoke(RevocationEndpoint):
    server: Server
    CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        return self.server.find(token_string)

    def revoke_token(self, token: Token, request: OAuth2Request) -> None:
        token.revoked = True


class Introspect(IntrospectionEndpoint):
    server: Server
    CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        return self.server.find(token_string)

    def check_permission(self, token: Token, client: Client, request: OAuth2Request) -> bool:
        return token.check_client(client)

    def introspect_token(self, token: Token) -> dict[str, object]:
        return {
            "active": True,
            "client_id": token.client_id,
            "scope": token.scope,
            "sub": token.user or token.client_id,
            "exp": int(token.issued_at) + token.expires_in,
        }


class Bearer(BearerTokenValidator):
    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server

    def authenticate_token(self, token_string: str) -> Token | None:
        return self.server.access.get(token_string)


def create_app(issuer: str, settings: Settings) -> Flask:
    app = Flask(__name__)
    grants = (*DEVICE_GRANTS, *MACHINE_GRANTS)
    app.config.update(
        OAUTH2_REFRESH_TOKEN_GENERATOR=True,
        OAUTH2_SCOPES_SUPPORTED=list(SCOPES),
        OAUTH2_TOKEN_EXPIRES_IN=dict.fromkeys(grants, settings.access_ttl),
    )
    server = Server(app, issuer, settings)
    for grant in (DeviceGrant, Refresh, ClientCredentials):
        server.register_grant(grant)
    for endpoint in (DeviceEndpoint(server), Revoke(server), Introspect(server)):
        server.register_endpoint(endpoint)
    protected = ResourceProtector()
    protected.register_token_validator(Bearer(server))
    one_at_a_time = threading.Lock()

    @app.post(PATHS["token_endpoint"])
    def token() -> Response:
        time.sleep(settings.token_delay_ms / 1000)
        with one_at_a_time:  # two refreshes of one token must not both win
            return cast("Response", server.create_token_response())

    @app.post(PATHS["device_authorization_endpoint"])
    def device() -> Response:
        return cast("Response", server.create_endpoint_response(DeviceEndpoint.ENDPOINT_NAME))

    @app.post(PATHS["revocation_endpoint"])
    def revoke() -> Response:
        return cast("Response", server.create_endpoint_response(Revoke.ENDPOINT_NAME))

    @app.post(PATHS["introspection_endpoint"])
    def introspect() -> Response:
        return cast("Response", server.create_endpoint_response(Introspect.ENDPOINT_NAME))

    @app.get(PATHS["userinfo_endpoint"])
    @protected("profile")
    def userinfo() -> Response:
        return jsonify(sub=current_token.user or current_token.client_id)

    @app.get(METADATA)
    def metadata() -> Response:
        return jsonify(
            issuer=issuer,
            **{name: issuer + path for name, path in PATHS.items()},
            grant_types_supported=list(grants),
            response_types_supported=[],
            scopes_supported=list(SCOPES),
            token_endpoint_auth_methods_supported=sorted({c.auth for c in CLIENTS.values()}),
        )

    @app.route(VERIFICATION, methods=["GET", "POST"])
    def activate() -> str:
        """What a person sees. Signing in is left out: the person here is always alice."""
        user_code = request.values.get("user_code", "").strip().upper()
        code = server.code_of(user_code)
        known = code is not None and not code.is_expired() and code.allowed is None
        verdict = request.form.get("verdict")
        done = known and verdict in ("allow", "deny")
        if code is not None and done:
            code.allowed = verdict == "allow"
            note = "The device is connected." if code.allowed else "The device was refused."
        elif known:
            note = "May this device act for you?"
        elif user_code:
            note = "This code is unknown, used or expired."
        else:
            note = "Enter the code that your device shows."
        return render_template_string(PAGE, note=note, known=known, done=done, user_code=user_code)

    count_requests(app)
    return app


def count_requests(app: Flask) -> None:
    """GET /_stats tells what was asked for and which errors were answered."""
    stats = {name: Counter[str]() for name in ("endpoints", "grants", "errors")}
    names = {path: name for name, path in PATHS.items()} | {METADATA: "metadata"}
    lock = threading.Lock()

    @app.after_request
    def count(response: Response) -> Response:
        if (name := names.get(request.path)) is None:
            return response
        body = response.get_json(silent=True)
        with lock:
            stats["endpoints"][name] += 1
            if name == "token_endpoint":
                stats["grants"][request.form.get("grant_type", "")] += 1
            if isinstance(body, dict) and "error" in body:
                stats["errors"][body["error"]] += 1
        return response

    @app.get(STATS)
    def tell() -> Response:
        with lock:
            return jsonify(stats)


def description(issuer: str) -> dict[str, object]:
    """What the endpoints file says, in the same shape for every server here."""
    return {
        "issuer": issuer,
        "endpoints": {name: issuer + path for name, path in PATHS.items()}
        | {
            "metadata": issuer + METADATA,
            "verification_uri": issuer + VERIFICATION,
            "stats": issuer + STATS,
        },
        "clients": {
            name: {
                "client_id": client.client_id,
                "client_secret": client.secret or None,
                "auth": client.auth,
                "jwk": None,
            }
            for name, client in CLIENTS.items()
        },
        "scope": "profile offline_access",
        "machine_scope": "api:read",
        "api_resource": None,
    }


def end_with_parent() -> None:
    """Leave when standard input closes: a killed test run must not leave servers behind."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parse.add_argument("--endpoints", type=Path, required=True, help="JSON, written when ready")
    parse.add_argument("--device-ttl", type=int, default=Settings.device_ttl)
    parse.add_argument("--access-ttl", type=int, default=Settings.access_ttl)
    parse.add_argument("--interval", type=int, default=Settings.interval)
    parse.add_argument("--token-delay-ms", type=int, default=Settings.token_delay_ms)
    parse.add_argument("--end-with-parent", action="store_true")
    args = parse.parse_args()
    if args.end_with_parent:
        end_with_parent()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # stderr is for crashes
    listener = socket.create_server(("127.0.0.1", args.port))
    port = listener.getsockname()[1]
    issuer = f"http://127.0.0.1:{port}"
    app = create_app(
        issuer, Settings(args.device_ttl, args.access_ttl, args.interval, args.token_delay_ms)
    )
    http = make_server("127.0.0.1", port, app, threaded=True, fd=listener.fileno())
    partial = args.endpoints.with_suffix(".partial")
    partial.write_text(json.dumps(description(issuer), indent=1), encoding="utf-8")
    partial.replace(args.endpoints)
    http.serve_forever()


if __name__ == "__main__":
    main()
