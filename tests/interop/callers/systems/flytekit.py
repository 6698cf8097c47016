"""flytekit's token client, and the authenticators that call it."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from tests.interop.callers.names import lacking
from tests.interop.callers.stage import ANY, HANGS_UP, Differs, Scenarios, Stage, answer, shape
from tests.support.compat_wire import Says

SCENARIOS: Final = Scenarios()
plays = SCENARIOS.plays

DEVICE: Final = "/device"
TOKEN: Final = "/token"
ISSUED: Final = {"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 3600}
PENDING: Final = answer(400, {"error": "authorization_pending"})
GOOD: Final = answer(200, ISSUED)

ASKS: Final = ["POST " + TOKEN]
ORDER: Final = "An empty scope is left out"


def load() -> None:
    """Import what is slow."""
    import_module("flytekit.clients.auth.authenticator")
    import_module("flytekit.clients.auth_helper")


def client() -> Any:
    return import_module("flytekit.clients.auth.token_client")


def errors() -> Any:
    return import_module("flytekit.clients.auth.exceptions")


def code(stage: Stage, **members: object) -> Says:
    return answer(
        200,
        {
            "device_code": "dc-1",
            "user_code": "BNDJJFXL",
            "verification_uri": f"{stage.url}/activate",
            "expires_in": 600,
            "interval": 5,
        }
        | members,
    )


def told(code: Any) -> list[object]:
    """The five fields of the original."""
    names = ("device_code", "user_code", "verification_uri", "expires_in", "interval")
    return [getattr(code, name) for name in names]


def waited(*, expires_in: Any = 600, interval: Any = 5) -> Any:
    return client().DeviceCodeResponse("dc-1", "BNDJJFXL", "http://x/", expires_in, interval)


# What callers pass


@plays()
def a_machine(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    header = client().get_basic_authorization_header("client_id", "a secret+/")
    return client().get_token(
        f"{stage.url}{TOKEN}", scopes=["s1", "s2"], authorization_header=header, audience="aud"
    )


@plays()
def a_machine_with_nones(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return client().get_token(
        token_endpoint=f"{stage.url}{TOKEN}",
        scopes=None,
        authorization_header="Basic Y2lkOmFiYw==",
        client_id=None,
        device_code=None,
        audience=None,
        http_proxy_url=None,
        verify=None,
        session=None,
        refresh_token=None,
    )


@plays()
def a_machine_with_empty_texts(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return client().get_token(
        f"{stage.url}{TOKEN}",
        authorization_header="",
        client_id="cid",
        audience="",
        http_proxy_url="",
        refresh_token="",
        device_code="",
    )


@plays(requests=Differs(ORDER, ASKS))
def no_scopes_in_a_list(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return client().get_token(f"{stage.url}{TOKEN}", scopes=[], client_id="cid")


@plays()
def scopes_in_a_tuple(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return client().get_token(f"{stage.url}{TOKEN}", scopes=("a", "b"), client_id="cid")


@plays()
def scopes_as_the_text_of_a_list(stage: Stage) -> object:
    """As a configuration file has them."""
    stage.says(TOKEN, GOOD)
    return client().get_token(f"{stage.url}{TOKEN}", scopes=["['a'", "'b']"], client_id="cid")


@plays(requests=Differs("The header that proves a client", ASKS))
def an_id_that_is_no_word(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    header = client().get_basic_authorization_header("svc@corp", "abc")
    return client().get_token(f"{stage.url}{TOKEN}", authorization_header=header)


@plays()
def no_client_id_for_a_code(stage: Stage) -> object:
    stage.says(DEVICE, code(stage))
    return told(client().get_device_code(f"{stage.url}{DEVICE}", None, scope=["a"]))


@plays()
def a_session_that_stays_as_it_is(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    session = import_module("requests").Session()
    before = [dict(session.headers), session.proxies, session.verify]
    client().get_token(f"{stage.url}{TOKEN}", client_id="c", verify=False, session=session)
    return [before == [dict(session.headers), session.proxies, session.verify]]


@plays(raised=Differs("is a `ValueError`", "ValueError"), requests=Differs("is a `ValueError`", []))
def no_code_for_the_grant(stage: Stage) -> object:
    stage.says(TOKEN, answer(400, {"error": "invalid_request"}))
    grant = client().GrantType.DEVICE_CODE
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c", grant_type=grant)


# Answers


@plays()
def refreshed(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, ISSUED | {"refresh_token": "rt-2"}))
    grant = client().GrantType.REFRESH_TOKEN
    return client().get_token(
        f"{stage.url}{TOKEN}", client_id="c", grant_type=grant, refresh_token="rt-1"
    )


@plays(result=Differs("the old one is returned", ["at-1", "rt-1", 3600]))
def refreshed_without_a_new_refresh_token(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"access_token": "at-1", "expires_in": 3600}))
    grant = client().GrantType.REFRESH_TOKEN
    return client().get_token(
        f"{stage.url}{TOKEN}", client_id="c", grant_type=grant, refresh_token="rt-1"
    )


@plays(
    result=Differs("The life of a token is `None`", ["at-1", None, None]),
    raised=Differs("The life of a token is `None`", None),
)
def no_life_told(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"access_token": "at-1"}))
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c")


@plays(result=Differs("A life of 0", ["at-1", None, None]))
def a_life_of_nothing(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"access_token": "at-1", "expires_in": 0}))
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c")


@plays(result=Differs("numbers may come as text", ["at-1", None, 3600]))
def a_life_as_text(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"access_token": "at-1", "expires_in": "3600"}))
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c")


@plays()
def refused(stage: Stage) -> object:
    stage.says(TOKEN, answer(401, {"error": "invalid_client"}))
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c")


@plays()
def pending(stage: Stage) -> object:
    stage.says(TOKEN, PENDING)
    grant = client().GrantType.DEVICE_CODE
    return client().get_token(
        f"{stage.url}{TOKEN}", client_id="c", device_code="dc-1", grant_type=grant
    )


@plays()
def asked_to_slow_down(stage: Stage) -> object:
    stage.says(TOKEN, answer(400, {"error": "slow_down"}))
    grant = client().GrantType.DEVICE_CODE
    return client().get_token(
        f"{stage.url}{TOKEN}", client_id="c", device_code="dc-1", grant_type=grant
    )


@plays(raised=Differs("nothing is pending", "own:AuthenticationError"))
def pending_without_a_person(stage: Stage) -> object:
    stage.says(TOKEN, PENDING)
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c")


@plays()
def a_page_with_an_error(stage: Stage) -> object:
    stage.says(TOKEN, answer(502, b"<html>bad gateway</html>"))
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c")


@plays()
def a_page_instead_of_a_token(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, b"<html>hello</html>"))
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c")


@plays()
def no_token_in_it(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"expires_in": 3600}))
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c")


@plays()
def throttled(stage: Stage) -> object:
    stage.says(TOKEN, answer(429, {"error": "too_many_requests"}, Retry_After="2"))
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c")


@plays()
def hung_up(stage: Stage) -> object:
    stage.says(TOKEN, HANGS_UP)
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c")


@plays()
def nobody_listens(stage: Stage) -> object:
    return client().get_token("http://127.0.0.1:9/token", client_id="c")


@plays()
def a_url_that_is_none(stage: Stage) -> object:
    return client().get_token("token_endpoint", client_id="c")


@plays()
def a_device_url_that_is_none(stage: Stage) -> object:
    return client().get_device_code("test.com", "c")


@plays(
    raised=Differs("No redirect is followed", "own:UnusableAnswerError"),
    result=Differs("No redirect is followed", None),
    requests=Differs("No redirect is followed", ASKS),
)
def redirected(stage: Stage) -> object:
    stage.says(TOKEN, answer(307, b"", Location="/other"))
    stage.says("/other", GOOD)
    return client().get_token(f"{stage.url}{TOKEN}", client_id="c")


# Codes


@plays(requests=Differs(ORDER, ["POST " + DEVICE]))
def a_code(stage: Stage) -> object:
    stage.says(DEVICE, code(stage))
    return told(client().get_device_code(f"{stage.url}{DEVICE}", "cid", audience="aud"))


@plays()
def a_code_with_scopes(stage: Stage) -> object:
    stage.says(DEVICE, code(stage))
    return told(client().get_device_code(f"{stage.url}{DEVICE}", "cid", scope=["s1", "s2"]))


@plays(
    result=Differs(
        "A missing `interval` means 5 seconds", ["dc-1", "BNDJJFXL", "{url}/activate", 600, 5]
    ),
    raised=Differs("A missing `interval` means 5 seconds", None),
)
def a_code_without_an_interval(stage: Stage) -> object:
    said = {
        "device_code": "dc-1",
        "user_code": "BNDJJFXL",
        "verification_uri": f"{stage.url}/activate",
        "expires_in": 600,
    }
    stage.says(DEVICE, answer(200, said))
    return told(client().get_device_code(f"{stage.url}{DEVICE}", "cid", scope=["s"]))


@plays()
def a_code_that_is_refused(stage: Stage) -> object:
    stage.says(DEVICE, answer(401, {"error": "invalid_client"}))
    return client().get_device_code(f"{stage.url}{DEVICE}", "cid", scope=["s"])


@plays()
def a_code_without_a_code(stage: Stage) -> object:
    stage.says(DEVICE, answer(200, {"user_code": "A"}))
    return client().get_device_code(f"{stage.url}{DEVICE}", "cid", scope=["s"])


@plays()
def a_code_s_page(stage: Stage) -> object:
    stage.says(DEVICE, answer(200, b"<html>"))
    return client().get_device_code(f"{stage.url}{DEVICE}", "cid", scope=["s"])


@plays()
def a_response_made_by_hand(stage: Stage) -> object:
    made = client().DeviceCodeResponse.from_json_response(
        {
            "device_code": "code",
            "user_code": "BNDJJFXL",
            "verification_uri": "url",
            "expires_in": 600,
            "interval": 5,
            "more": None,
        }
    )
    return [told(made), made == client().DeviceCodeResponse(*told(made))]


@plays()
def a_response_that_lacks_something(stage: Stage) -> object:
    return client().DeviceCodeResponse.from_json_response({"user_code": "A"})


# Waiting


@plays()
def approved(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return client().poll_token_endpoint(waited(), f"{stage.url}{TOKEN}", "cid")


@plays()
def approved_after_pending(stage: Stage) -> object:
    stage.says(TOKEN, PENDING, PENDING, GOOD)
    return client().poll_token_endpoint(
        waited(), f"{stage.url}{TOKEN}", "cid", audience="aud", scopes=["s1"]
    )


@plays()
def approved_within_fractions(stage: Stage) -> object:
    stage.says(TOKEN, PENDING, GOOD)
    code = waited(expires_in=20.5, interval=1.5)
    return client().poll_token_endpoint(code, f"{stage.url}{TOKEN}", "cid")


@plays()
def denied(stage: Stage) -> object:
    stage.says(TOKEN, PENDING, answer(400, {"error": "access_denied"}))
    return client().poll_token_endpoint(waited(), f"{stage.url}{TOKEN}", "cid")


@plays()
def over_before_it_begins(stage: Stage) -> object:
    return client().poll_token_endpoint(waited(expires_in=0), f"{stage.url}{TOKEN}", "cid")


@plays(
    requests=Differs("for the first time after one interval", ["POST /token"] * 2),
    output=Differs("for the first time after one interval", ["Authentication Pending...\n", ""]),
)
def never_approved(stage: Stage) -> object:
    stage.says(TOKEN, PENDING)
    return client().poll_token_endpoint(waited(expires_in=12), f"{stage.url}{TOKEN}", "cid")


@plays(
    result=Differs("met with backoff", ["at-1", "rt-1", 3600]),
    raised=Differs("met with backoff", None),
    requests=Differs("met with backoff", ["POST /token"] * 2),
    output=Differs(
        "met with backoff", ["Authentication Pending...\nAuthentication successful!\n", ""]
    ),
)
def a_bad_gateway(stage: Stage) -> object:
    stage.says(TOKEN, answer(502, b"bad"), GOOD)
    return client().poll_token_endpoint(waited(), f"{stage.url}{TOKEN}", "cid")


# flytekit's own callers


def store(stage: Stage, **members: object) -> Any:
    made = import_module("flytekit.clients.auth.authenticator")
    config = {
        "token_endpoint": f"{stage.url}{TOKEN}",
        "authorization_endpoint": f"{stage.url}/authorize",
        "redirect_uri": "http://localhost:1",
        "client_id": "flytectl",
        "device_authorization_endpoint": f"{stage.url}{DEVICE}",
        "scopes": ["all"],
    }
    return made.StaticClientConfigStore(made.ClientConfig(**(config | members)))


def machine(stage: Stage, **members: object) -> Any:
    made = import_module("flytekit.clients.auth.authenticator")
    config = {k: members.pop(k) for k in list(members) if k in ("client_id", "config_scopes")}
    given = store(stage, scopes=config.get("config_scopes", ["all"]))
    return made.ClientCredentialsAuthenticator(
        "flyte.example", config.get("client_id", "svc"), "abc", given, **members
    )


@plays()
def the_machine_s_authenticator(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    made = machine(stage)
    made.refresh_credentials()
    return made.fetch_grpc_call_auth_metadata()


@plays()
def the_machine_s_authenticator_without_scopes(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    made = machine(stage, config_scopes=None, audience="aud", header_key="flyte-authorization")
    made.refresh_credentials()
    return made.fetch_grpc_call_auth_metadata()


@plays()
def the_machine_s_authenticator_is_refused(stage: Stage) -> object:
    stage.says(TOKEN, answer(401, {"error": "invalid_client"}))
    return machine(stage).refresh_credentials()


def person(stage: Stage, **members: object) -> Any:
    made = import_module("flytekit.clients.auth.authenticator")
    return made.DeviceCodeAuthenticator("flyte.example", store(stage), **members)


@plays()
def the_person_s_authenticator(stage: Stage) -> object:
    stage.says(DEVICE, code(stage))
    stage.says(TOKEN, PENDING, GOOD)
    made = person(stage, verify=True, audience="aud", scopes=["s1"])
    made.refresh_credentials()
    return [made.get_credentials().access_token, made.get_credentials().refresh_token]


@plays()
def the_person_s_authenticator_refreshes(stage: Stage) -> object:
    stage.says(DEVICE, code(stage))
    stage.says(TOKEN, GOOD, answer(200, ISSUED | {"access_token": "at-2", "refresh_token": "rt-2"}))
    made = person(stage)
    made.refresh_credentials()
    made.refresh_credentials()
    return [made.get_credentials().access_token, made.get_credentials().refresh_token]


@plays()
def the_person_s_authenticator_begins_again(stage: Stage) -> object:
    """A refused refresh leads to another sign-in."""
    stage.says(DEVICE, code(stage))
    again = answer(200, ISSUED | {"access_token": "at-2"})
    stage.says(TOKEN, GOOD, answer(400, {"error": "invalid_grant"}), again)
    made = person(stage)
    made.refresh_credentials()
    made.refresh_credentials()
    return made.get_credentials().access_token


@plays(
    result=Differs("A refresh that is met by a page", "at-2"),
    raised=Differs("A refresh that is met by a page", None),
    requests=Differs(
        "A refresh that is met by a page",
        ["POST " + DEVICE, "POST " + TOKEN, "POST " + TOKEN, "POST " + DEVICE, "POST " + TOKEN],
    ),
    output=Differs("A refresh that is met by a page", ANY),
)
def the_person_s_authenticator_meets_a_page(stage: Stage) -> object:
    stage.says(DEVICE, code(stage))
    again = answer(200, ISSUED | {"access_token": "at-2"})
    stage.says(TOKEN, GOOD, answer(503, b"<html>"), again)
    made = person(stage)
    made.refresh_credentials()
    made.refresh_credentials()
    return made.get_credentials().access_token


@plays()
def the_person_s_authenticator_is_denied(stage: Stage) -> object:
    stage.says(DEVICE, code(stage))
    stage.says(TOKEN, answer(400, {"error": "access_denied"}))
    return person(stage).refresh_credentials()


@plays()
def the_adapter_of_requests_renews(stage: Stage) -> object:
    """After a 401 of the service the authenticator is asked, and the request sent again."""
    stage.says(TOKEN, GOOD)
    stage.says("/service", answer(401), answer(200, b"ok"))
    helper = import_module("flytekit.clients.auth_helper")
    session = import_module("requests").Session()
    made = machine(stage)
    session.mount("http://", helper.AuthenticationHTTPAdapter(made))
    return session.get(f"{stage.url}/service", timeout=5).text


@plays()
def every_name(stage: Stage) -> object:
    """Of the source: names, members and parameters that are missing."""
    return lacking("flytekit.clients.auth.token_client", "flytekit.clients.auth.exceptions")


@plays()
def signatures(stage: Stage) -> object:
    names = ("get_basic_authorization_header", "get_device_code", "get_token")
    code = client().DeviceCodeResponse
    return [
        [shape(getattr(client(), name)) for name in names],
        shape(client().poll_token_endpoint, "session", "clock"),
        shape(code, "verification_uri_complete"),
        shape(code.from_json_response),
        [client().utf_8, client().error_slow_down, client().error_auth_pending],
        {each.name: each.value for each in client().GrantType},
    ]
