"""The table of known providers: each reads what its provider sends, and asks as it wants."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import get_args

import pytest
from attrs import evolve, fields
from hypothesis import given, settings
from hypothesis import strategies as st

from grantflow import (
    Client,
    ClientCredentialsFlow,
    ClientSecretBasic,
    ClientSecretHeaders,
    ClientSecretPost,
    CodeExpired,
    CodeIssued,
    Denied,
    DeviceAuthorization,
    DeviceFlow,
    InvalidResponse,
    Pending,
    Provider,
    Public,
    RefreshFlow,
    Refused,
    RegistrationFlow,
    Rejected,
    Response,
    Secret,
    Send,
    SlowDownAsked,
    StillPending,
    TokenIssued,
    Unanswered,
    providers,
)
from grantflow.core.client.authentication import ClientAuthentication
from grantflow.core.client.dialect import RequestFormat, ResponseFormat
from grantflow.core.client.provider import endpoint_problem
from grantflow.core.flows import events
from grantflow.core.flows.flow import Flow
from grantflow.core.flows.states import DeviceState
from grantflow.core.flows.two_step import GrantIssued
from grantflow.core.values.json import plain
from grantflow.core.values.response import Reply
from grantflow.flows import flow_for
from tests.support.effort import effort
from tests.support.provider_cases import CASES, CODE, TOKEN, Case, same
from tests.support.samples import instant, moment, reply, seconds
from tests.support.strategies import replies

NAMES = providers.names()
NOW = moment(100)
FILLED = {
    "host": "id.example.com",
    "word": "acme",
    "label": "eu-west-1",
    "path": "/p",
    "text": "t-1",
    "url": "https://acme.example/start",
}
SECRET = "s3cret-word"
ENTROPY = "e" * 43
DEVICE_URN = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"
METHODS: dict[str, ClientAuthentication] = {
    "none": Public(),
    "client_secret_basic": ClientSecretBasic(SECRET),
    "client_secret_basic_raw": ClientSecretBasic(SECRET, encoding="raw"),
    "client_secret_post": ClientSecretPost(SECRET),
    "client_secret_headers": ClientSecretHeaders(SECRET),
}


def found(name: str) -> Provider:
    needs = providers.template(name).needs
    return providers.find(name, **{n.name: FILLED[n.kind] for n in needs if n.default is None})


def client(provider: Provider, **changes: object) -> Client:
    method = METHODS[provider.auth_methods[0]] if provider.auth_methods else Public()
    asked = Client(provider=provider, client_id="app", authentication=method, scope="read write")
    return evolve(asked, **changes)


def sent(flow: Flow[object]) -> Send:
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    return due


def answer(case: Case) -> Response:
    return Response(case.status, case.headers, case.body)


def waiting(
    asked: Client, issued: Response
) -> tuple[Flow[DeviceState], Pending[DeviceAuthorization]]:
    """A flow that has its code, and the state it is then in."""
    flow = flow_for(asked, entropy=ENTROPY)
    event = sent(flow).read(issued, NOW)
    assert isinstance(event, CodeIssued), event
    state = flow.step(flow.start(moment()), event)
    assert isinstance(state, Pending)
    return flow, state


def polled(asked: Client, issued: Response) -> Send:
    flow, state = waiting(asked, issued)
    due = flow.due(state)
    assert isinstance(due, Send)
    return due


def first_code(name: str) -> Response:
    return next(
        answer(each)
        for each in CASES
        if (each.provider, each.where, each.expected) == (name, "device", "code")
    )


def send_of(case: Case, provider: Provider) -> Send:
    asked = client(provider)
    match case.where:
        case "device":
            return sent(flow_for(asked, entropy=ENTROPY))
        case "poll":
            return polled(asked, first_code(case.provider))
        case "token":
            return sent(ClientCredentialsFlow(asked))
        case "refresh":
            return sent(RefreshFlow(asked, "rt-old"))
        case _:
            return sent(RegistrationFlow(provider=provider, client_name="app"))


def told(event: events.Received) -> str:
    match event:
        case Rejected(error=Refused(code=code)):
            return f"refused {code}"
        case Rejected(error=Denied()):
            return "denied"
        case Rejected(error=InvalidResponse()):
            return "garbled"
        case _:
            return WORDS[type(event)]


WORDS: dict[type[events.Received], str] = {
    CodeIssued: "code",
    TokenIssued: "token",
    GrantIssued: "grant",
    StillPending: "pending",
    SlowDownAsked: "slow",
    CodeExpired: "expired",
    Unanswered: "trouble",
}


def at(thing: object, path: str) -> object:
    for name in path.split("."):
        thing = thing[name] if isinstance(thing, Mapping) else getattr(thing, name)
    return thing.reveal() if isinstance(thing, Secret) else thing


def check(case: Case, provider: Provider) -> None:
    event = send_of(case, provider).read(answer(case), NOW)
    assert told(event) == case.expected
    for path, value in case.holds.items():
        assert same(at(event, path), value), path


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_provider_sends_makes_its_event(case: Case) -> None:
    check(case, found(case.provider))


ISSUED = [each for each in CASES if each.expected in ("token", "code")]


@pytest.mark.parametrize("case", ISSUED, ids=str)
def test_no_secret_stays_behind_as_plain_text(case: Case) -> None:
    """Whatever its name was on the wire, a secret has a type, and no copy beside it."""
    event = send_of(case, found(case.provider)).read(answer(case), NOW)
    match event:
        case TokenIssued(token=token):
            secrets = (token.access_token, token.refresh_token, token.id_token)
            rest = token.extra
        case CodeIssued(authorization=authorization):
            # Where to poll is the code itself for those who have no other (npm).
            polled_at = found(case.provider).poll_at is not None
            secrets = () if polled_at else (authorization.device_code,)
            rest = authorization.extra
        case _:
            raise AssertionError(event)
    kept = json.dumps(plain(rest))
    assert [each for each in secrets if each is not None and each.reveal() in kept] == []


# Every provider


def cases_of(name: str, where: str) -> set[str]:
    return {each.expected for each in CASES if (each.provider, each.where) == (name, where)}


@pytest.mark.parametrize("name", NAMES)
def test_every_provider_has_its_core_cases(name: str) -> None:
    if found(name).device_authorization_endpoint is None:
        assert any(cases_of(name, where) >= {"token"} for where in ("token", "refresh"))
        assert any(
            word != "token" for where in ("token", "refresh") for word in cases_of(name, where)
        )
        return
    assert "code" in cases_of(name, "device")
    # The web logins of npm and Nextcloud are not OAuth: they know waiting and the token only.
    end = "token" if found(name).flow == "device" else "grant"
    short = {"pending", end}
    whole = short | {"slow", "denied", "expired"}
    assert cases_of(name, "poll") >= (short if not found(name).shows_code else whole)


@pytest.mark.parametrize("name", NAMES)
def test_every_endpoint_is_https_and_filled(name: str) -> None:
    provider = found(name)
    endpoints = [
        provider.token_endpoint,
        provider.device_authorization_endpoint,
        provider.refresh_endpoint,
        provider.revocation_endpoint,
        provider.introspection_endpoint,
        provider.userinfo_endpoint,
        provider.issuer,
    ]
    for url in endpoints:
        if url is not None:
            assert url.startswith("https://")
            assert endpoint_problem(url) is None
            assert not set("{}") & set(url)
    assert provider.name == name
    assert set(provider.auth_methods) <= {*METHODS, "private_key_jwt"}
    assert provider.auth_methods
    assert providers.template(name).title
    assert providers.template(name).source


@settings(max_examples=effort(8, 40), deadline=None)
@given(answer=replies)
@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_give_one_event(name: str, answer: Reply) -> None:
    asked = client(found(name))
    sends = [sent(ClientCredentialsFlow(asked)), sent(RefreshFlow(asked, "rt-old"))]
    if asked.provider.registration_endpoint is not None:
        sends.append(sent(RegistrationFlow(provider=asked.provider, client_name="app")))
    if asked.provider.device_authorization_endpoint is not None:
        first = sent(flow_for(asked, entropy=ENTROPY))
        assert isinstance(first.read(answer, NOW), get_args(events.DeviceReply))
        sends.append(polled(asked, first_code(name)))
    for send in sends:
        assert isinstance(send.read(answer, NOW), (*get_args(events.Event), events.WrapperEvent))


def simpler(provider: Provider) -> Iterator[tuple[str, Provider]]:
    """The provider without one of its peculiarities in reading, for each of them."""
    plain, said = ResponseFormat(), provider.answers
    for name in (each.name for each in fields(ResponseFormat)):
        value, default = getattr(said, name), getattr(plain, name)
        if value == default:
            continue
        if not isinstance(value, tuple):
            yield name, evolve(provider, answers=evolve(said, **{name: default}))
            continue
        for place, row in enumerate(value):
            less = value[:place] + value[place + 1 :]
            yield f"{name} {row}", evolve(provider, answers=evolve(said, **{name: less}))
    for name in ("poll_at", "link_scheme", "link_parameter", "shows_code", "interval", "lifetime"):
        default = getattr(PLAIN, name)
        if getattr(provider, name) != default:
            yield name, evolve(provider, **{name: default})


PLAIN = Provider(name="plain", token_endpoint="https://plain.example/token")


def holds(case: Case, provider: Provider) -> bool:
    try:
        check(case, provider)
    except (AssertionError, AttributeError, KeyError):
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_no_peculiarity_is_without_a_case(name: str) -> None:
    cases = [each for each in CASES if each.provider == name]
    for what, less in simpler(found(name)):
        assert not all(holds(each, less) for each in cases), what


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("zoho", "Zoho-oauthtoken"),
        ("yandex", "OAuth"),
        ("dvc-studio", "token"),
        ("ebay", "Bearer"),
        ("slack", "Bearer"),
        ("github", None),
    ],
)
def test_words_of_the_authorization_header(name: str, scheme: str | None) -> None:
    assert found(name).authorization_scheme == scheme


# Finding

WANTED = [
    "github",
    "google",
    "entra",
    "entra-v1",
    "adfs",
    "auth0",
    "okta",
    "keycloak",
    "gitlab",
    "aws",
    "twitch",
    "facebook",
    "trakt",
    "salesforce",
    "slack",
    "huggingface",
    "hydra",
    "authentik",
    "zitadel",
    "fusionauth",
    "cognito",
    "paypal",
    "spotify",
    "reddit",
    "dex",
    "kanidm",
    "authelia",
    "amazon",
    "docker-hub",
    "zoom",
    "epic",
    "tidal",
    "yandex",
    "baidu",
    "huawei",
    "zoho",
    "wso2",
    "npm",
    "nextcloud",
    "dvc-studio",
    "dagshub",
    "stanford-acs",
    "flyte",
    "pingone",
    "openam",
    "discord",
    "bitbucket",
    "linkedin",
]


def test_there_are_many_and_each_is_found() -> None:
    assert len(NAMES) >= 60
    assert tuple(sorted(set(NAMES))) == NAMES
    assert set(WANTED) <= set(NAMES)


def test_names_are_not_taken_twice() -> None:
    aliases = [alias for name in NAMES for alias in providers.template(name).aliases]
    assert len({*aliases, *NAMES}) == len(aliases) + len(NAMES)
    for name in NAMES:
        for alias in providers.template(name).aliases:
            assert providers.template(alias).name == name


def test_a_name_is_found_however_it_is_written() -> None:
    assert providers.find("GitHub") == providers.find("github") == providers.find(" github ")
    assert providers.find("Hugging Face") == providers.find("hugging_face")


def test_values_fill_the_gaps() -> None:
    ghes = providers.find("github", host="ghe.example:8443")
    assert ghes.device_authorization_endpoint == "https://ghe.example:8443/login/device/code"
    entra = providers.find("entra", tenant="common")
    assert entra.token_endpoint == "https://login.microsoftonline.com/common/oauth2/v2.0/token"
    keycloak = providers.find("keycloak", host="id.example", realm="acme", path="/auth")
    assert keycloak.issuer == "https://id.example/auth/realms/acme"
    pingone = providers.find("pingone", environment="e-1", region="eu")
    assert pingone.token_endpoint == "https://auth.pingone.eu/e-1/as/token"


def test_an_unknown_name_comes_with_its_nearest() -> None:
    with pytest.raises(LookupError, match=r"unknown provider 'githib'; did you mean github"):
        providers.find("githib")
    with pytest.raises(LookupError, match=r"unknown provider 'qqqqqqqq'$"):
        providers.find("qqqqqqqq")


def test_values_that_are_missing_or_unknown_are_named() -> None:
    with pytest.raises(ValueError, match=r"^tenant: provider 'entra' needs it: the directory"):
        providers.find("entra")
    with pytest.raises(ValueError, match=r"^tennant: provider 'entra' .*; did you mean tenant\?$"):
        providers.find("entra", tennant="common")
    with pytest.raises(ValueError, match=r"^colour: provider 'github' .*; it takes host$"):
        providers.find("github", colour="blue")
    with pytest.raises(ValueError, match=r"^x: provider 'spotify' takes no such value$"):
        providers.find("spotify", x="y")


HOSTILE = [
    "evil.example/x",
    "user@evil.example",
    "evil.example?x",
    "evil.example#x",
    "evil.example\\x",
    "evil.example:",
    "evil.example:99999999",
    "evil.example ",
    "evil.example\n",
    "-evil.example",
    "evil..example",
    "{host}",
    "https://evil.example",
    "ёvil.example",
    "",
    "a" * 300,
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_host_is_a_host(value: str) -> None:
    with pytest.raises(ValueError, match="^host: "):
        providers.find("github", host=value)


@pytest.mark.parametrize(
    ("name", "values", "named"),
    [
        ("entra", {"tenant": "../x"}, "tenant"),
        ("entra", {"tenant": ".."}, "tenant"),
        ("entra", {"tenant": "a/b"}, "tenant"),
        ("entra", {"tenant": "a?b"}, "tenant"),
        ("entra", {"tenant": "a%2fb"}, "tenant"),
        ("aws", {"region": "evil.example/"}, "region"),
        ("aws", {"region": "a.b"}, "region"),
        ("pingone", {"environment": "e", "region": "evil.example"}, "region"),
        ("keycloak", {"host": "a.example", "realm": "r", "path": "/../x"}, "path"),
        ("keycloak", {"host": "a.example", "realm": "r", "path": "auth"}, "path"),
        ("keycloak", {"host": "a.example", "realm": "r", "path": "/auth/"}, "path"),
        ("gitlab", {"path": ".evil.example"}, "path"),
        ("gitlab", {"path": "@evil.example"}, "path"),
        ("gitlab", {"path": "//evil.example"}, "path"),
        ("zoho", {"host": "accounts.zoho.com:port"}, "host"),
        ("facebook", {"version": "v2/../..", "app_id": "1", "client_token": "t"}, "version"),
        ("aws", {"region": "eu-west-1", "start_url": "http://acme.example/start"}, "start_url"),
        ("aws", {"region": "eu-west-1", "start_url": "https://a b"}, "start_url"),
    ],
)
def test_no_value_turns_a_template_elsewhere(name: str, values: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}: "):
        providers.find(name, **values)


@given(value=st.text(max_size=30) | st.from_regex(r"[a-z./:@?#\\%-]{1,20}", fullmatch=True))
def test_a_value_that_is_taken_stays_where_it_was_put(value: str) -> None:
    for name, gap, before, after in (
        ("entra", "tenant", "https://login.microsoftonline.com/", "/oauth2/v2.0/token"),
        ("gitlab", "path", "https://gitlab.com", "/oauth/token"),
    ):
        url = None
        try:
            url = providers.find(name, **{gap: value}).token_endpoint
        except ValueError as error:
            refused = str(error).startswith(f"{gap}: ")
        else:
            refused = False
        if url is None:
            assert refused
            continue
        assert url == before + value + after
        assert not set("?#@\\% ") & set(value)
        assert ".." not in value.split("/")
        assert "//" not in value


# Three more providers of ordinary oddness, each in under ten lines of data

COMMAS = Provider(  # scopes with commas, the code under another name, numbers as text
    name="commas",
    token_endpoint="https://commas.example/token",
    device_authorization_endpoint="https://commas.example/device",
    scope_separator=",",
    poll=RequestFormat(rename={"device_code": "code"}),
    answers=ResponseFormat(fields={"device_code": "code"}, scope_separator=","),
)
STATUSES = Provider(  # says everything by the status alone, in JSON
    name="statuses",
    token_endpoint="https://statuses.example/token",
    device_authorization_endpoint="https://statuses.example/device",
    encoding="json",
    answers=ResponseFormat(poll_statuses={204: "authorization_pending", 409: "access_denied"}),
)
NESTED = Provider(  # errors in an object, answers in an envelope, other words for both
    name="nested",
    token_endpoint="https://nested.example/token",
    device_authorization_endpoint="https://nested.example/device",
    answers=ResponseFormat(
        root="result",
        error="failure.reason",
        codes={"NOT_YET": "authorization_pending", "TOO_LATE": "expired_token"},
    ),
)


def read(provider: Provider, issued: Response, *answers: Response) -> list[str]:
    send = polled(client(provider), issued)
    return [told(send.read(each, NOW)) for each in answers]


def test_a_new_provider_with_commas_and_numbers_as_text() -> None:
    code = {k: str(v) for k, v in CODE.items() if k != "device_code"} | {"code": "dc-1"}
    send = polled(client(COMMAS), reply(200, code))
    assert send.not_before == instant(105)
    assert send.request.body().decode() == f"{DEVICE_URN}&code=dc-1&client_id=app"
    assert b"scope=read%2Cwrite" in sent(DeviceFlow(client(COMMAS))).request.body()
    event = send.read(reply(200, TOKEN | {"expires_in": "60", "scope": "read,write"}), NOW)
    assert isinstance(event, TokenIssued)
    assert event.token.scope == ("read", "write")
    assert event.token.expires_at == NOW.wall + seconds(60)


def test_a_new_provider_that_speaks_in_statuses() -> None:
    answers = (reply(204, b""), reply(409, b""), reply(200, TOKEN))
    assert read(STATUSES, reply(200, CODE), *answers) == ["pending", "denied", "token"]


def test_a_new_provider_with_nested_errors() -> None:
    answers = (
        reply(400, {"failure": {"reason": "NOT_YET"}}),
        reply(400, {"failure": {"reason": "TOO_LATE"}}),
        reply(400, {"failure": {"reason": "invalid_grant"}}),
        reply(200, {"result": TOKEN}),
    )
    issued = reply(200, {"result": CODE})
    assert read(NESTED, issued, *answers) == [
        "pending",
        "expired",
        "refused invalid_grant",
        "token",
    ]
