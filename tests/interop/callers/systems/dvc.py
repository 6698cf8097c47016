"""dvc-studio-client, and ``dvc studio login`` that calls it."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from tests.interop.callers.names import lacking
from tests.interop.callers.stage import ANY, HANGS_UP, Differs, Scenarios, Stage, answer, shape
from tests.support.compat_wire import Says

SCENARIOS: Final = Scenarios()
plays = SCENARIOS.plays

START: Final = "/api/device-login"
POLL: Final = "/api/device-login/token"
PENDING: Final = answer(400, {"detail": "authorization_pending"})
EXPIRED: Final = answer(400, {"detail": "authorization_expired"})
TOKEN: Final = answer(200, {"access_token": "isat_access_token"})

NO_TOKEN: Final = "A 200 without a token"


def load() -> None:
    """Import what is slow."""
    import_module("dvc.cli")
    import_module("dvc.commands.studio")
    auth()


def auth() -> Any:
    return import_module("dvc_studio_client.auth")


def login(stage: Stage, **members: object) -> Says:
    return answer(
        200,
        {
            "device_code": "dc-1",
            "user_code": "ABCD-EFGH",
            "verification_uri": f"{stage.url}/auth/device-login",
            "token_uri": f"{stage.url}{POLL}",
            "token_name": "random-name",
            "expires_in": 1500,
        }
        | members,
    )


def studio(stage: Stage, *polls: Says, **members: object) -> None:
    stage.says(START, login(stage, **members))
    stage.says(POLL, *polls)


# What callers pass


@plays()
def scopes_are_none(stage: Stage) -> object:
    """As ``dvc studio login`` and ``datachain auth login`` do without ``--scopes``."""
    studio(stage, TOKEN)
    return auth().get_access_token(hostname=stage.url, scopes=None, token_name=None)


@plays()
def scopes_are_empty(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().get_access_token(hostname=stage.url, scopes="")


@plays()
def everything_is_none(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().get_access_token(
        hostname=stage.url,
        token_name=None,
        scopes=None,
        open_browser=None,
        post_login_message=None,
        use_device_code=None,
        team_names=None,
        all_teams=None,
        expires_in_days=None,
        never_expires=None,
    )


@plays(
    requests=Differs("A `client_name` that is `None` or empty", ["POST " + START, "POST " + POLL])
)
def client_name_is_none(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().get_access_token(hostname=stage.url, client_name=None)


@plays(requests=Differs("A `client_name` that is `None` or empty", ["POST " + START]))
def client_name_is_empty(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().start_device_login(base_url=stage.url, client_name="")


@plays()
def everything_is_empty(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().start_device_login(
        client_name="DVC", base_url=stage.url, token_name="", scopes=[], team_names=[]
    )


@plays()
def tuples_for_lists(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().start_device_login(
        client_name="DVC", base_url=stage.url, scopes=("experiments",), team_names=("a", "b")
    )


@plays()
def an_empty_tuple_of_teams(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().start_device_login(client_name="DVC", base_url=stage.url, team_names=())


@plays()
def numbers_and_flags(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().start_device_login(
        client_name="DVC",
        base_url=stage.url,
        expires_in_days=0,
        never_expires=False,
        all_teams=True,
    )


@plays()
def scopes_as_text_at_the_start(stage: Stage) -> object:
    return auth().start_device_login(client_name="DVC", base_url=stage.url, scopes="experiments")


@plays()
def scopes_keep_their_case(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().get_access_token(hostname=stage.url, scopes="Experiments,MODELS")


@plays()
def a_slash_after_the_host(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().get_access_token(hostname=f"{stage.url}/", open_browser=False)


@plays(
    result=Differs("Scopes may have spaces", ["random-name", "isat_access_token"]),
    raised=Differs("Scopes may have spaces", None),
    requests=Differs("Scopes may have spaces", ["POST " + START, "POST " + POLL]),
    output=Differs("Scopes may have spaces", ANY),
)
def scopes_with_spaces(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().get_access_token(hostname=stage.url, scopes="experiments, models")


# The original's own tests, D1 to D13


@plays()
def expired_at_once(stage: Stage) -> object:
    studio(stage, EXPIRED)
    return auth().get_access_token(hostname=stage.url)


@plays()
def approved_after_pending(stage: Stage) -> object:
    studio(stage, PENDING, PENDING, TOKEN)
    return auth().get_access_token(
        hostname=stage.url, token_name="random-name", scopes="experiments"
    )


@plays()
def no_browser_opens(stage: Stage) -> object:
    stage.browser = False
    studio(stage, PENDING, TOKEN)
    return auth().get_access_token(hostname=stage.url)


@plays()
def no_browser_wanted(stage: Stage) -> object:
    studio(stage, PENDING, TOKEN)
    made = auth().get_access_token(hostname=stage.url, open_browser=False)
    return [made, auth().get_access_token(hostname=stage.url, use_device_code=True), stage.opened]


@plays()
def a_message_of_one_s_own(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().get_access_token(hostname=stage.url, post_login_message="Go on there.")


@plays()
def the_start_alone(stage: Stage) -> object:
    studio(stage, TOKEN, members_of_tomorrow=[1, {"a": None}])
    return auth().start_device_login(client_name="client", base_url=stage.url)


@plays()
def an_unknown_scope(stage: Stage) -> object:
    return auth().start_device_login(client_name="c", base_url=stage.url, scopes=["INVALID!"])


@plays()
def pending_then_expired(stage: Stage) -> object:
    stage.says(POLL, PENDING, EXPIRED)
    return auth().check_token_authentication(uri=f"{stage.url}{POLL}", device_code="dc-1")


@plays()
def pending_then_an_unknown_word(stage: Stage) -> object:
    stage.says(POLL, PENDING, answer(400, {"detail": "unexpected_error"}))
    return auth().check_token_authentication(uri=f"{stage.url}{POLL}", device_code="dc-1")


@plays()
def pending_twice_then_the_token(stage: Stage) -> object:
    stage.says(POLL, PENDING, PENDING, TOKEN)
    return auth().check_token_authentication(uri=f"{stage.url}{POLL}", device_code="dc-1")


@plays()
def teams_and_days(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().get_access_token(hostname=stage.url, team_names=["team1"], expires_in_days=30)


@plays()
def not_all_teams_but_none_named(stage: Stage) -> object:
    return auth().start_device_login(client_name="c", base_url=stage.url, all_teams=False)


@plays()
def not_all_teams_but_one(stage: Stage) -> object:
    studio(stage, TOKEN)
    return auth().start_device_login(
        client_name="c", base_url=stage.url, all_teams=False, team_names=["team1"]
    )


# Answers


@plays()
def a_denial(stage: Stage) -> object:
    studio(stage, answer(403, {"error": "access_denied"}))
    return auth().get_access_token(hostname=stage.url)


@plays(
    result=Differs("`slow_down` is obeyed", ["random-name", "isat_access_token"]),
    raised=Differs("`slow_down` is obeyed", None),
    requests=Differs("`slow_down` is obeyed", ["POST " + START, "POST " + POLL, "POST " + POLL]),
)
def asked_to_slow_down(stage: Stage) -> object:
    studio(stage, answer(400, {"detail": "slow_down"}), TOKEN)
    return auth().get_access_token(hostname=stage.url)


@plays(
    result=Differs("The standard's own answers", ["random-name", "isat_access_token"]),
    raised=Differs("The standard's own answers", None),
    requests=Differs(
        "The standard's own answers", ["POST " + START, "POST " + POLL, "POST " + POLL]
    ),
)
def pending_in_the_standard_s_words(stage: Stage) -> object:
    studio(stage, answer(400, {"error": "authorization_pending"}), TOKEN)
    return auth().get_access_token(hostname=stage.url)


@plays()
def a_token_and_a_detail(stage: Stage) -> object:
    studio(stage, answer(200, {"access_token": "isat_access_token", "detail": "welcome"}))
    return auth().get_access_token(hostname=stage.url)


@plays()
def a_code_and_a_detail(stage: Stage) -> object:
    studio(stage, TOKEN, detail="hello")
    return auth().start_device_login(client_name="c", base_url=stage.url)


@plays(result=Differs("A `token_name` of `null`", ["", "isat_access_token"]))
def the_name_is_null(stage: Stage) -> object:
    studio(stage, TOKEN, token_name=None)
    return auth().get_access_token(hostname=stage.url)


@plays()
def a_200_without_a_token(stage: Stage) -> object:
    studio(stage, answer(200, {"message": "no"}))
    return auth().get_access_token(hostname=stage.url)


@plays()
def a_200_that_is_no_json(stage: Stage) -> object:
    studio(stage, answer(200, b"<html>"))
    return auth().get_access_token(hostname=stage.url)


@plays()
def a_200_that_is_a_list(stage: Stage) -> object:
    studio(stage, answer(200, [1]))
    return auth().get_access_token(hostname=stage.url)


@plays()
def a_start_that_is_no_json(stage: Stage) -> object:
    stage.says(START, answer(200, b"<html>"))
    return auth().start_device_login(client_name="c", base_url=stage.url)


@plays()
def a_start_without_a_code(stage: Stage) -> object:
    stage.says(START, answer(200, {"user_code": "A"}))
    return auth().get_access_token(hostname=stage.url)


@plays()
def a_start_that_is_refused(stage: Stage) -> object:
    stage.says(START, answer(403, {"detail": "no"}))
    try:
        return auth().start_device_login(client_name="c", base_url=stage.url)
    except import_module("requests").HTTPError as error:
        return [error.response.status_code, error.response.json(), bool(error.response)]


@plays()
def a_start_that_breaks(stage: Stage) -> object:
    stage.says(START, answer(500, b"oops"))
    return auth().start_device_login(client_name="c", base_url=stage.url)


@plays()
def a_start_that_hangs_up(stage: Stage) -> object:
    stage.says(START, HANGS_UP)
    return auth().start_device_login(client_name="c", base_url=stage.url)


@plays()
def a_start_where_nobody_listens(stage: Stage) -> object:
    return auth().start_device_login(client_name="c", base_url="http://127.0.0.1:9")


@plays(raised=Differs("A redirect", "requests.HTTPError"))
def a_poll_that_is_redirected(stage: Stage) -> object:
    studio(stage, answer(302, b"", Location="/elsewhere"))
    return auth().get_access_token(hostname=stage.url)


@plays()
def a_poll_that_breaks(stage: Stage) -> object:
    studio(stage, PENDING, answer(500, {"detail": "unexpected_error"}))
    return auth().get_access_token(hostname=stage.url)


@plays(
    result=Differs("A poll that is throttled", ["random-name", "isat_access_token"]),
    raised=Differs("A poll that is throttled", None),
    requests=Differs("A poll that is throttled", ["POST " + START, "POST " + POLL, "POST " + POLL]),
)
def a_poll_that_is_throttled(stage: Stage) -> object:
    slow = "Request was throttled. Expected available in 3 seconds."
    studio(stage, answer(429, {"detail": slow}, Retry_After="3"), TOKEN)
    return auth().get_access_token(hostname=stage.url)


@plays(
    result=Differs("A stall of the network", ["random-name", "isat_access_token"]),
    raised=Differs("A stall of the network", None),
    requests=Differs("A stall of the network", ["POST " + START, "POST " + POLL, "POST " + POLL]),
)
def a_poll_that_hangs_up(stage: Stage) -> object:
    studio(stage, HANGS_UP, TOKEN)
    return auth().get_access_token(hostname=stage.url)


# Places


@plays()
def the_token_is_at_another_name_of_this_machine(stage: Stage) -> object:
    studio(stage, TOKEN, token_uri=stage.url.replace("127.0.0.1", "localhost") + POLL)
    return auth().get_access_token(hostname=stage.url)


@plays(
    raised=Differs("`token_uri` on another origin", "own:UnusableAnswerError"),
    output=Differs("`token_uri` on another origin", ["", ""]),
)
def the_token_is_somewhere_else(stage: Stage) -> object:
    """The original sends the code there, to find that nobody listens."""
    studio(stage, TOKEN, token_uri="https://127.0.0.1:9/token")
    return auth().get_access_token(hostname=stage.url)


@plays()
def the_start_tells_of_any_place(stage: Stage) -> object:
    """A start sends no code, so its answer is returned as it came."""
    stage.says(START, login(stage, token_uri="http://studio.example.com/token"))
    return auth().start_device_login(client_name="c", base_url=stage.url)


@plays()
def a_url_that_is_none(stage: Stage) -> object:
    return auth().start_device_login(client_name="c", base_url="studio.example.com")


@plays()
def a_token_uri_that_is_none(stage: Stage) -> object:
    return auth().check_token_authentication(uri="not-a-url", device_code="dc-1")


# dvc itself


def dvc(*words: str) -> object:
    return import_module("dvc.cli").main(["studio", *words])


@plays()
def dvc_logs_in(stage: Stage) -> object:
    studio(stage, PENDING, TOKEN)
    return dvc("login", "--hostname", stage.url)


@plays()
def dvc_logs_in_with_scopes(stage: Stage) -> object:
    studio(stage, PENDING, TOKEN)
    return dvc("login", "--hostname", stage.url, "--scopes", "experiments", "--name", "n")


@plays()
def dvc_logs_in_without_a_browser(stage: Stage) -> object:
    studio(stage, TOKEN)
    return [dvc("login", "--hostname", stage.url, "--no-open"), stage.opened]


@plays()
def dvc_is_told_of_an_unknown_scope(stage: Stage) -> object:
    return dvc("login", "--hostname", stage.url, "--scopes", "experiments,all")


@plays()
def dvc_finds_the_code_expired(stage: Stage) -> object:
    studio(stage, PENDING, EXPIRED)
    return dvc("login", "--hostname", stage.url)


@plays(result=Differs("A denial", 1), output=Differs("A denial", ANY))
def dvc_is_denied(stage: Stage) -> object:
    studio(stage, answer(400, {"detail": "access_denied"}))
    return dvc("login", "--hostname", stage.url)


@plays()
def dvc_logs_in_and_out(stage: Stage) -> object:
    studio(stage, TOKEN)
    first = dvc("login", "--hostname", stage.url)
    return [first, dvc("token"), dvc("logout"), dvc("logout")]


@plays()
def every_name(stage: Stage) -> object:
    """Of the source: names, members and parameters that are missing."""
    return lacking("dvc_studio_client.auth")


@plays()
def signatures(stage: Stage) -> object:
    own = ("token_origins", "clock")
    names = ("get_access_token", "start_device_login", "check_token_authentication")
    return [[shape(getattr(auth(), name), *own) for name in names], auth().AVAILABLE_SCOPES]
