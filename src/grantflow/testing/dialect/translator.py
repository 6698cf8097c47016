"""A known provider, played by the scripted server: its formats, applied the other way round.

A request in the provider's format becomes one in the RFC's names, and the server's answer becomes
one in the provider's (``RequestFormat`` and ``ResponseFormat`` say how it is read). What a provider
leaves out of its requests, such as the client id of a poll, is looked up at the server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, TypeAlias, final
from urllib.parse import parse_qs, urlencode, urlsplit

from attrs import evolve, field, frozen

from grantflow.core.client.dialect import RequestFormat
from grantflow.core.client.provider import Provider
from grantflow.core.flows.device import GRANT_TYPE
from grantflow.core.values.pairs import Pairs
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.core.values.secret import Secret
from grantflow.testing.clock import VirtualClock
from grantflow.testing.dialect.replies import Kind, enveloped, refusal
from grantflow.testing.server.device import verdict_at
from grantflow.testing.server.value import Server

Form: TypeAlias = dict[str, str]
_PLAIN: Final[Mapping[str, str]] = {
    "revocation_endpoint": "/revoke",
    "introspection_endpoint": "/introspect",
    "userinfo_endpoint": "/userinfo",
}
_PATHS: Final[Mapping[Kind, str]] = {"device": "/device", "registration": "/register"}


@final
@frozen
class Translator:
    """Plays ``provider``: ``exchange`` answers a request in its format."""

    provider: Provider
    _brought: dict[str, Reply] = field(factory=dict, repr=False)
    _links: dict[str, str] = field(factory=dict, repr=False)

    @property
    def urls(self) -> frozenset[str]:
        """Return the URLs at which it is played."""
        named = [url for _, url in self._endpoints()]
        named += [url for name in _PLAIN if (url := self._endpoint(name)) is not None]
        aliases = dict(self.provider.mtls_endpoint_aliases)
        return frozenset(named) | {aliases[url] for url in named if url in aliases}

    def plays(self, request: Request) -> bool:
        """Return whether a request is for this provider."""
        return request.url in self.urls or _bare(request.url) in self.urls

    def exchange(
        self,
        request: Request,
        server: Callable[[], Server],
        clock: VirtualClock,
        answer: Callable[[Request], Reply],
    ) -> Reply:
        """Return the reply of this provider; ``answer`` is the scripted server."""
        url = self._standard_url(request.url if request.url in self.urls else _bare(request.url))
        for name, path in _PLAIN.items():
            if url == self._endpoint(name):
                return answer(evolve(request, url=server().issuer + path))
        kind, form = self._understood(request, url, server())
        if kind == "poll" and self._is_link:
            return self._link(form, request, server, clock, answer)
        code = form.get("device_code") or form.get("code", "")
        if kind == "exchange" and code in self._brought:
            return self._written(self._brought[code], kind)
        reply = answer(self._asked(request, kind, form, server()))
        if kind == "poll" and self.provider.exchange.echo and _succeeded(reply):
            issued = {name: f"{name}-{code}" for name in self.provider.exchange.echo}
            # What is exchanged is the device code, or the code that the poll brought.
            self._brought.update(dict.fromkeys((code, *issued.values()), reply))
            return self._written(_json(200, issued), kind)
        if kind == "device" and self.provider.poll_at is not None:
            reply = self._pointed(reply)
        return self._written(reply, kind)

    # -- requests

    @property
    def _is_link(self) -> bool:
        return self.provider.device_authorization_endpoint is None and bool(
            self.provider.authorization_endpoint and self.provider.poll_endpoint
        )

    def _endpoint(self, name: str) -> str | None:
        url: str | None = getattr(self.provider, name)
        return url

    def _endpoints(self) -> list[tuple[Kind, str]]:
        provider = self.provider
        found: list[tuple[Kind, str | None]] = [
            ("device", provider.device_authorization_endpoint),
            ("poll", provider.poll_endpoint or provider.token_endpoint),
            ("refresh", provider.refresh_endpoint or provider.token_endpoint),
            ("exchange", provider.token_endpoint if provider.exchange.echo else None),
            ("token", provider.token_endpoint),
            ("registration", provider.registration_endpoint),
        ]
        return [(kind, url) for kind, url in found if url is not None]

    def _standard_url(self, url: str) -> str:
        aliases = {alias: named for named, alias in self.provider.mtls_endpoint_aliases}
        return aliases.get(url, url)

    def _format(self, kind: Kind) -> RequestFormat:
        asking: RequestFormat = getattr(self.provider, kind)
        return asking

    def _understood(self, request: Request, url: str, server: Server) -> tuple[Kind, Form]:
        """Return what a request asks for, in the RFC's names: several kinds may share a URL."""
        here: list[Kind] = [kind for kind, each in self._endpoints() if each == url]
        read: list[tuple[Kind, Form]] = [(kind, self._read(request, kind)) for kind in here]
        for kind, form in read:
            brought = kind == "exchange" and form.get("code") in self._brought
            if brought or _knows(server, kind, form):
                return kind, form
        for kind, form in read:
            if _may_be(kind, form, self._format(kind), request):
                return kind, form
        return read[-1]

    def _read(self, request: Request, kind: Kind) -> Form:
        asking = self._format(kind)
        names = {new: old for old, new in asking.rename}
        fixed = {name for name, _ in asking.fixed}
        lists: dict[str, list[str]] = {}
        for name, value in request.form:
            stem = name.removesuffix("[]")
            old = names.get(name) or names.get(stem, stem)
            if name not in fixed:
                text = value.reveal() if isinstance(value, Secret) else value
                lists.setdefault(old.removesuffix("[]"), []).append(text)
        form = {name: " ".join(values) for name, values in lists.items()}
        separator = self.provider.scope_separator
        if separator is not None and "scope" in form:
            form["scope"] = form["scope"].replace(separator, " ")
        if kind == "poll" and "device_code" not in form and self.provider.poll_at is not None:
            form["device_code"] = parse_qs(urlsplit(request.url).query).get("code", [""])[0]
        return form

    def _asked(self, request: Request, kind: Kind, form: Form, server: Server) -> Request:
        header = self.provider.client_id_header
        shown = None if header is None else dict(request.headers).get(header)
        known = _owner(server, form) or form.get("client_id") or shown
        grant_type = {"poll": GRANT_TYPE, "refresh": "refresh_token"}.get(kind)
        if kind == "token":
            grant_type = form.get("grant_type", "client_credentials")
        standard: Pairs = tuple(form.items())
        if grant_type is not None:
            standard = tuple({**form, "grant_type": grant_type}.items())
        # A client that names itself in a Basic header or an assertion alone is left to that.
        if known is not None or not _named_otherwise(request, form):
            rest = [(name, text) for name, text in standard if name != "client_id"]
            standard = (*rest, ("client_id", known or "app"))
        path = _PATHS.get(kind, "/token")
        return evolve(
            request, url=server.issuer + path, form=standard, encoding="form", method="POST"
        )

    # -- replies

    def _pointed(self, reply: Reply) -> Reply:
        """Say in a device answer where to poll for this code."""
        if not isinstance(reply, Response) or reply.status != 200:
            return reply
        body: dict[str, object] = json.loads(reply.body)
        poll = self.provider.poll_endpoint or self.provider.token_endpoint
        where = f"{poll}?{urlencode({'code': str(body['device_code'])})}"
        return evolve(reply, body=json.dumps({**body, self.provider.poll_at: where}).encode())

    def _written(self, reply: Reply, kind: Kind) -> Reply:
        """Return an answer as this provider writes it."""
        if not isinstance(reply, Response):
            return reply
        try:
            body: object = json.loads(reply.body)
        except ValueError:
            return reply
        if not isinstance(body, dict):
            return reply
        if "error" in body:
            return refusal(self.provider.answers, reply, body, kind)
        return evolve(reply, body=json.dumps(enveloped(body, kind, self.provider)).encode())

    def _link(
        self,
        form: Form,
        request: Request,
        server: Callable[[], Server],
        clock: VirtualClock,
        answer: Callable[[Request], Reply],
    ) -> Reply:
        """Answer a request that is held open until the person decides: with a code, a JSON text."""
        name = form.get("request_id", "")
        if name not in self._links:
            ask = Request(f"{server().issuer}/device", form={"client_id": "app"})
            begun = answer(ask)
            if not isinstance(begun, Response) or begun.status != 200:
                return begun
            self._links[name] = json.loads(begun.body)["device_code"]
        device_code = self._links[name]
        reply = _held(device_code, request, server, clock, answer)
        if not _succeeded(reply):
            return reply
        code = f"code-{device_code}"
        self._brought[code] = reply
        return Response(200, {"Content-Type": "application/json"}, json.dumps(code).encode())


def played_urls(provider: Provider) -> frozenset[str]:
    """Return the URLs that proofs and assertions for a played provider may name."""
    urls = Translator(provider).urls
    return urls if provider.issuer is None else urls | {provider.issuer}


def _held(
    device_code: str,
    request: Request,
    server: Callable[[], Server],
    clock: VirtualClock,
    answer: Callable[[Request], Reply],
) -> Reply:
    poll = Request(
        f"{server().issuer}/token",
        form={"grant_type": GRANT_TYPE, "device_code": device_code, "client_id": "app"},
    )
    end = clock.now().mono + (request.wait or timedelta(seconds=30))
    while True:
        found, now = server().sign_ins.get(device_code), clock.now().mono
        decided = found is None or verdict_at(server().script, found, now) is not None
        # The server counts the interval of a code: this request is held open for longer anyway.
        early = found is not None and now - found.asked_at < found.interval
        if decided and not early:
            return answer(poll)
        if now >= end:
            return Fault("timeout", "maybe", "nobody decided")
        clock.advance(min(timedelta(seconds=1), end - now))


def _knows(server: Server, kind: Kind, form: Form) -> bool:
    if kind in ("poll", "exchange"):
        return server.sign_ins.get(form.get("device_code", "")) is not None
    return kind == "refresh" and server.refreshes.get(form.get("refresh_token", "")) is not None


def _may_be(kind: Kind, form: Form, asking: RequestFormat, request: Request) -> bool:
    match kind:
        case "poll":
            return "device_code" in form or "request_id" in form
        case "exchange":
            return "code" in form
        case "refresh":
            return "refresh_token" in form
        case "device":
            sent = dict(request.form)
            told = all(sent.get(name) == value for name, value in asking.fixed)
            return told and not {"device_code", "refresh_token", "grant_type"} & form.keys()
        case _:
            return True


def _owner(server: Server, form: Form) -> str | None:
    """Return the client that a code or a refresh token was issued to."""
    found = server.sign_ins.get(form.get("device_code", ""))
    if found is not None:
        return found.client_id
    number = server.refreshes.get(form.get("refresh_token", ""))
    grant = None if number is None else server.grants.get(str(number))
    return None if grant is None else grant.client_id


def _named_otherwise(request: Request, form: Form) -> bool:
    names = {name.lower() for name, _ in request.headers}
    return "client_assertion" in form or bool(names & {"authorization", "client-secret"})


def _bare(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _succeeded(reply: Reply) -> bool:
    return isinstance(reply, Response) and reply.status == 200


def _json(status: int, body: Mapping[str, object]) -> Response:
    return Response(status, {"Content-Type": "application/json"}, json.dumps(body).encode())
