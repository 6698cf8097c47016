"""A token that is in memory already, and putting it on a request."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import httpx_auth
import msal
import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from google.auth.credentials import TokenState
from google.oauth2.credentials import Credentials
from measured import Part, Row, best, microseconds
from requests_oauth2client import OAuth2Client, OAuth2ClientCredentialsAuth
from requests_oauthlib import OAuth2Session
from server import started

from grantflow import Client, ClientSecretPost, MemoryStore, Provider, TokenAuth, TokenSource
from grantflow.shell.http.requests import RequestsTransport

API = "https://api.example.com/things"
TOKEN = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600}

Calls = dict[str, Callable[[], object]]
Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]


def ours(url: str) -> TokenSource:
    """Return a source that has its token."""
    provider = Provider(name="bench", token_endpoint=f"{url}/token")
    client = Client(
        provider=provider, client_id="app", authentication=ClientSecretPost("s"), scope="read"
    )
    session = requests.Session()
    session.verify = os.environ["REQUESTS_CA_BUNDLE"]
    source = TokenSource(
        client, "client_credentials", store=MemoryStore(), transport=RequestsTransport(session)
    )
    source.token()
    return source


def google_calls(request: requests.PreparedRequest) -> Callable[[], object]:
    """Return what google-auth does before each request."""
    credentials = Credentials(
        "at-1",
        expiry=datetime.utcnow() + timedelta(hours=1),  # noqa: DTZ003 - it wants it so
    )

    def before() -> None:
        # What ``before_request`` does, but for asking Google where the account may be used.
        if credentials.token_state is TokenState.FRESH:
            credentials.apply(request.headers)

    return before


def main() -> None:
    """Measure, and tell."""
    with started() as (url, certificate):
        os.environ["REQUESTS_CA_BUNDLE"] = certificate
        source = ours(url)
        theirs = OAuth2ClientCredentialsAuth(
            OAuth2Client(f"{url}/token", client_id="app", client_secret="s"), scope="read"
        )
        app = msal.ConfidentialClientApplication(
            "app", client_credential="s", oidc_authority=f"{url}/x"
        )
        app.acquire_token_for_client(["read"])
        plain = requests.Request("GET", API).prepare()
        theirs(plain)
    bearing = TokenAuth(source)
    oauthlib = OAuth2Session("app", token=TOKEN)
    authlib = AuthlibSession("app", token={**TOKEN, "expires_at": 4e9})
    to_google = google_calls(plain)
    through_httpx = httpx.Request("GET", API)
    httpxs = httpx_auth.OAuth2ClientCredentials(f"{url}/token", "app", "s")
    key = httpxs.state
    httpx_auth.OAuth2.token_cache._add_access_token(key, "at-1", 4e9)  # noqa: SLF001
    token: Calls = {
        "grantflow, `source.token()`": source.token,
        "grantflow, `source.try_token()`": source.try_token,
        "grantflow, `TokenAuth`": lambda: bearing(plain),
        "requests_oauth2client, its auth": lambda: theirs(plain),
        "requests_oauthlib, its client": lambda: oauthlib._client.add_token(API),  # noqa: SLF001
        "authlib, its auth": lambda: authlib.token_auth(plain),
        "google-auth, its credentials": to_google,
        "httpx_auth, its flow": lambda: next(httpxs.auth_flow(through_httpx)),
        "msal, `acquire_token_for_client`": lambda: app.acquire_token_for_client(["read"]),
    }
    session = requests.Session()

    def with_oauthlib() -> object:
        url_, headers, _ = oauthlib._client.add_token(API)  # noqa: SLF001
        return session.prepare_request(requests.Request("GET", url_, headers=headers))

    def with_google() -> object:
        request = session.prepare_request(requests.Request("GET", API))
        to_google()
        return request

    def as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request

    def with_auth(auth: Auth) -> Callable[[], object]:
        return lambda: session.prepare_request(requests.Request("GET", API, auth=auth))

    whole: Calls = {
        "`requests`, an auth that does nothing": with_auth(as_it_is),
        "`requests`, no auth": lambda: session.prepare_request(requests.Request("GET", API)),
        "grantflow, whole request": with_auth(bearing),
        "requests_oauth2client, whole request": with_auth(theirs),
        "requests_oauthlib, whole request": with_oauthlib,
        "authlib, whole request": with_auth(authlib.token_auth),
        "google-auth, whole request": with_google,
    }
    found = microseconds(token)
    requests_found = microseconds(whole)
    us = [name for name in (*found, *requests_found) if name.startswith("grantflow")]
    named = {name: taken for name, taken in found.items() if not name.startswith("msal")}
    who, least = best(named, us)
    nothing = "`requests`, an auth that does nothing"
    whose, fastest = best(requests_found, [*us, nothing, "`requests`, no auth"])
    part = Part(head=["Warm", "µs a call"])
    part.lines = [[name, f"{taken:.2f}"] for name, taken in (found | requests_found).items()]
    roc = found["requests_oauth2client, its auth"]
    part.rows = [
        Row(
            "a warm token from memory",
            found["grantflow, `source.token()`"],
            roc,
            "requests_oauth2client",
            0.3,
            "µs",
        ),
        Row(
            "a prepared request with auth",
            requests_found["grantflow, whole request"],
            fastest,
            whose.partition(",")[0],
            0.7,
            "µs",
        ),
        Row(
            "the same without a token",
            requests_found[nothing],
            fastest,
            whose.partition(",")[0],
            None,
            "µs",
        ),
        Row(
            "the auth alone, on a prepared request",
            found["grantflow, `TokenAuth`"],
            least,
            who.partition(",")[0],
            None,
            "µs",
        ),
    ]
    part.tell()


if __name__ == "__main__":
    main()
