"""A vendor that is played: it checks every byte of a request against what its own code says.

``[asked]`` of a case file is read from the sources that the provider's file of data names: the
vendor's SDK, schema, server code or page. It has the ``values`` of the template's gaps, ``auth``,
the methods that are played, and for each request that the vendor knows the URL, alone or in a
table:

``wishes`` is what a client asks for besides its scope, an ``audience`` or a ``resource``, and
``machine_wishes`` what it asks for as a machine; ``machine_auth`` the methods that are played then,
where they are not all of ``auth``.

``url``, ``method``, ``encoding``, ``headers``, and ``form``, which is all of the parameters but for
those by which the client names and proves itself. ``"*"`` is any text. ``proof`` is ``method`` (as
the client proves itself elsewhere), ``basic`` (by Basic, whatever it does elsewhere), ``id`` (the
client id alone) or ``nothing``. Where a form is left out it is the RFC's.

What is not there must not be sent: the comparison is exact.
"""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from attrs import field, frozen, mutable

from grantflow import Request, Response

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
RFC: dict[str, dict[str, object]] = {
    "device": {"scope": "read write"},
    "poll": {"grant_type": DEVICE_GRANT, "device_code": "dc-1"},
    "token": {"grant_type": "client_credentials", "scope": "read write"},
    "refresh": {"grant_type": "refresh_token", "refresh_token": "rt-1"},
    "exchange": {"grant_type": "authorization_code", "code": "*"},
    "revocation": {"token": "*", "token_type_hint": "*"},
    "introspection": {"token": "*", "token_type_hint": "access_token"},
    "register": {},
}
SECRET = "s3cret-word"


@frozen
class Asked:
    """How one request of a vendor has to look."""

    name: str
    url: str
    method: str = "POST"
    encoding: str = "form"
    headers: Mapping[str, str] = field(factory=dict)
    form: Mapping[str, object] = field(factory=dict)
    proof: str = "method"


@frozen
class Spec:
    """All that a vendor is asked."""

    provider: str
    values: Mapping[str, str]
    auth: Sequence[str]
    requests: Sequence[Asked]
    client_id: str = "app"
    scope: str = "read write"
    audience: str = ""
    wishes: Mapping[str, str] = field(factory=dict)
    machine_wishes: Mapping[str, str] = field(factory=dict)
    machine_auth: Sequence[str] = ()
    names: Mapping[str, str] = field(factory=dict)
    always_named: bool = False
    never_beside: bool = False

    def knows(self, name: str) -> bool:
        return any(each.name == name for each in self.requests)


def spec_of(provider: str, file: Mapping[str, Any]) -> Spec:
    asked = dict(file["asked"])
    scope = asked.pop("scope", "read write")
    usual = {name: asked.pop(name) for name in ("encoding", "headers") if name in asked}
    requests = []
    for name, form in RFC.items():
        said = asked.pop(name, None)
        if said is None:
            continue
        table = {"url": said} if isinstance(said, str) else dict(said)
        if "form" not in table:
            with_scope = scope and "scope" in form
            table["form"] = {**form, "scope": scope} if with_scope else _without_scope(form)  # pyright: ignore[reportArgumentType]
        requests.append(Asked(name, **{**usual, **table}))
    return Spec(
        provider,
        asked.pop("values", {}),
        asked.pop("auth"),
        requests,
        scope=scope,
        **asked,
    )


def _without_scope(form: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in form.items() if name != "scope"}


@mutable
class Vendor:
    """A transport that plays the vendor for a client with one method of proof.

    ``answers`` are taken in order for each request; what was asked is in ``asked``, the last
    request of each kind in ``seen``, and what was wrong with a request in ``problems``.
    """

    spec: Spec
    auth: str
    answers: dict[str, list[Response]]
    asked: list[str] = field(factory=list)
    seen: dict[str, Request] = field(factory=dict)
    problems: list[str] = field(factory=list)
    client_id: str = field(init=False)
    secret: str = SECRET

    def __attrs_post_init__(self) -> None:
        self.client_id = self.spec.client_id

    def __call__(self, request: Request, /) -> Response:
        ready = request.presented() if hasattr(request, "presented") else request
        found = [(each, list(self._differences(each, ready))) for each in self.spec.requests]
        match = next((each for each, wrong in found if not wrong), None)
        if match is None:
            _, wrong = min(found, key=lambda each: len(each[1]))
            self.problems.append(f"{ready.method} {ready.target()}: {'; '.join(wrong)}")
            return Response(400, {}, b'{"error": "invalid_request"}')
        self.asked.append(match.name)
        self.seen[match.name] = ready
        waiting = self.answers.get(match.name, [])
        if not waiting:
            self.problems.append(f"{match.name} is asked once too often")
            return Response(400, {}, b'{"error": "invalid_request"}')
        return waiting.pop(0)

    def _differences(self, asked: Asked, request: Request) -> Iterator[str]:
        url, headers = urlsplit(request.target()), request.header_map()
        fixed = urlsplit(asked.url)
        where = url._replace(query="").geturl()
        if where != fixed._replace(query="").geturl():
            yield f"{where} is not {asked.url}"
        if request.method != asked.method:
            yield f"{request.method} is not {asked.method}"
        yield from self._wrong_headers(asked, headers)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        for name, value in parse_qsl(fixed.query):
            if query.pop(name, None) != value:
                yield f"?{name}={value} is missing"
        body = _parsed(request.body(), headers.get("Content-Type", ""))
        sent, rest = (query, body) if asked.encoding == "query" else (body, query)
        if rest:
            yield f"{sorted(rest)} are in the wrong place"
        yield from self._wrong_parameters(asked, sent)

    def _wrong_headers(self, asked: Asked, headers: Mapping[str, str]) -> Iterator[str]:
        kinds = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
        kind = headers.get("Content-Type", "")
        sends = asked.method != "GET" and asked.encoding != "query"
        if sends and kind.partition(";")[0] != kinds.get(asked.encoding, "multipart/form-data"):
            yield f"{kind} is not {asked.encoding}"
        proof = self._proof_headers(asked)
        # Where the id is enough, proof is welcome too, as long as it is not in the body.
        late = proof if asked.proof == "id" and "Authorization" in headers else {}
        shown = proof if asked.proof in ("method", "basic") else late
        wanted = {"Accept": "application/json", **asked.headers, **shown}
        for name, value in wanted.items():
            if headers.get(name) != value:
                yield f"{name}: {headers.get(name)} is not {value}"
        strange = headers.keys() - wanted.keys() - {"Content-Type"}
        if strange:
            yield f"headers {sorted(strange)} must not be sent"

    def _proof_headers(self, asked: Asked) -> dict[str, str]:
        match "client_secret_basic" if asked.proof == "basic" else self.auth:
            case "client_secret_basic" | "public_basic":
                secret = "" if self.auth == "public_basic" else self.secret
                pair = f"{quote(self.client_id, safe='')}:{quote(secret, safe='')}"
            case "client_secret_basic_raw":
                pair = f"{self.client_id}:{self.secret}"
            case "client_secret_headers":
                return {"client-id": self.client_id, "client-secret": self.secret}
            case _:
                return {}
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}

    def _proof_parameters(self, asked: Asked) -> dict[str, object]:
        if asked.proof == "nothing":
            return {}
        named = self.spec.always_named or asked.proof == "id"
        named = named or (asked.name == "device" and not self.spec.never_beside)
        found: dict[str, object] = {}
        by_header = self.auth in ("client_secret_headers", "public_basic")
        in_body = self.auth in ("none", "client_secret_post") and asked.proof != "basic"
        if in_body or (named and not by_header):
            found["client_id"] = self.client_id
        if asked.name == "device" and self.auth == "public_basic":
            found["client_id"] = self.client_id
        if asked.proof == "method" and self.auth == "client_secret_post":
            found["client_secret"] = self.secret
        if asked.proof == "method" and self.auth == "private_key_jwt":
            found["client_assertion_type"] = (
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            )
            found["client_assertion"] = "*"
        return {self.spec.names.get(name, name): value for name, value in found.items()}

    def _wrong_parameters(self, asked: Asked, sent: Mapping[str, object]) -> Iterator[str]:
        wanted = {**asked.form, **self._proof_parameters(asked)}
        for name, value in wanted.items():
            if name not in sent:
                yield f"{name} is missing"
            elif value == "*":
                if not (isinstance(sent[name], str) and sent[name]):
                    yield f"{name} is empty"
            elif sent[name] != value:
                yield f"{name}={sent[name]!r} is not {value!r}"
        for name in sent.keys() - wanted.keys():
            yield f"{name} must not be sent"
        assertion = sent.get("client_assertion")
        if isinstance(assertion, str):
            yield from self._wrong_claims(asked, assertion)

    def _wrong_claims(self, asked: Asked, assertion: str) -> Iterator[str]:
        claims = json.loads(urlsafe_b64decode(assertion.split(".")[1] + "=="))
        audience = asked.url if self.spec.audience == "endpoint" else self.spec.audience
        for name, value in (("aud", audience), ("iss", self.client_id), ("sub", self.client_id)):
            if claims[name] != value:
                yield f"{name} of the assertion is {claims[name]}, not {value}"


def _parsed(body: bytes, kind: str) -> dict[str, object]:
    if not body:
        return {}
    if kind.startswith("application/json"):
        found: object = json.loads(body)
        assert isinstance(found, dict)
        return found
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs), "a parameter is sent twice"
    return dict(pairs)
