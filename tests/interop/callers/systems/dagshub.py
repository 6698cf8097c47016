"""DagsHub's client: its tokens, its command, and what sends requests with them."""

from __future__ import annotations

import importlib
import json
import os
import pickle
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tests.interop.callers.names import lacking
from tests.interop.callers.stage import ANY, HANGS_UP, Differs, Scenarios, Stage, answer, shape
from tests.support.compat_wire import Heard, Says

SCENARIOS: Final = Scenarios()
plays = SCENARIOS.plays

USER: Final = "/api/v1/user"
REPO: Final = "/api/v1/repos/alice/cats"
MIDDLEMAN: Final = "/login/oauth/middleman"
EXCHANGE: Final = "/login/oauth/access_token"
CATS: Final = "/cats"
ALICE: Final = {"id": 1, "login": "alice", "username": "alice", "full_name": "", "avatar_url": ""}
TOKENS: Final = "home/tokens"


def load() -> None:
    """Import what is slow."""
    for name in (
        "dagshub",
        "dagshub.common.cli",
        "dagshub.common.api.user",
        "dagshub.upload.wrapper",
    ):
        import_module(name)
    import_module("dagshub.auth.tokens")


def auth() -> Any:
    return import_module("dagshub.auth")


def tokens() -> Any:
    return import_module("dagshub.auth.tokens")


def kinds() -> Any:
    return import_module("dagshub.auth.token_auth")


def bearer(heard: Heard) -> str:
    return heard.headers.get("authorization", "").removeprefix("Bearer ")


def hub(stage: Stage, *good: str, **environment: str) -> Path:
    """Stand for a deployment that takes some tokens, and configure the client for it."""
    takes = {*good}

    def judged(body: dict[str, object] | bytes) -> Any:
        def judge(heard: Heard) -> Says:
            return answer(200, body) if bearer(heard) in takes else answer(401, {"message": "no"})

        return judge

    def issued(heard: Heard) -> Says:
        takes.add("issued-token")
        end = "2099-01-02T00:00:00.123456789Z"
        return answer(200, {"access_token": "issued-token", "token_type": "bearer", "expiry": end})

    stage.says(USER, judged(ALICE))
    stage.says(CATS, judged(b"cats"))
    stage.says(MIDDLEMAN, answer(200, b'"the-code"'))
    stage.says(EXCHANGE, issued)
    file = stage.folder / "tokens"
    os.environ.update(
        {
            "DAGSHUB_CLIENT_HOST": stage.url,
            "DAGSHUB_CLIENT_TOKENS_CACHE": str(file),
            "DAGSHUB_DISABLE_ANALYTICS": "1",
        }
        | environment
    )
    importlib.reload(import_module("dagshub.common.config"))  # it reads them as it is imported
    return file


def holds(file: Path, host: str, *entries: dict[str, str]) -> None:
    file.write_text(json.dumps({"version": "1", host: list(entries)}))


def app(text: str) -> dict[str, str]:
    return {"access_token": text, "expiry": "never", "token_type": "app-token"}


def oauth(text: str, expiry: str = "2099-01-02T00:00:00.000000Z") -> dict[str, str]:
    return {"access_token": text, "expiry": expiry, "token_type": "bearer"}


def kept(file: Path) -> Any:
    """Read the file as YAML, by host."""
    if not file.exists():
        return None
    return import_module("yaml").safe_load(file.read_text())


# Tokens


@plays()
def nothing_is_there(stage: Stage) -> object:
    hub(stage)
    return auth().get_token(fail_if_no_token=True)


@plays()
def every_keyword_is_none(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, stage.url, app("good-token"))
    return auth().get_token(host=None, fail_if_no_token=None, cache_location=None)


@plays()
def keywords_that_nobody_knows(stage: Stage) -> object:
    """The documented signature is ``get_token(**kwargs)``."""
    file = hub(stage, "good-token")
    holds(file, stage.url, app("good-token"))
    return [
        auth().get_token(quiet=True),
        tokens().get_token_object(quiet=True).token_text,
        auth().get_authenticator(quiet=True).token_text,
    ]


@plays()
def an_invalid_app_token(stage: Stage) -> object:
    hub(stage)
    return auth().add_app_token("bad-token")


@plays()
def a_valid_app_token(stage: Stage) -> object:
    file = hub(stage, "good-token")
    return [auth().add_app_token("good-token", None), kept(file)]


@plays()
def an_app_token_twice(stage: Stage) -> object:
    file = hub(stage, "good-token")
    auth().add_app_token("good-token", stage.url)
    return [auth().add_app_token("good-token"), kept(file)]


@plays()
def a_token_of_1990(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, stage.url, oauth("good-token", "1990-01-01T00:00:00.000000Z"))
    return [
        stage.catches(lambda: auth().get_token(fail_if_no_token=True)),
        kept(file),
    ]


@plays()
def a_token_that_is_refused(stage: Stage) -> object:
    file = hub(stage)
    holds(file, stage.url, app("bad-token"))
    return [stage.catches(lambda: auth().get_token(fail_if_no_token=True)), kept(file)]


@plays()
def without_validation(stage: Stage) -> object:
    file = hub(stage)
    storage = tokens().TokenStorage(str(file))
    storage.add_token("some-token", stage.url, skip_validation=True)
    return kept(file)


@plays()
def a_storage_with_keywords_that_nobody_knows(stage: Stage) -> object:
    file = hub(stage, "good-token")
    storage = tokens().TokenStorage(cache_location=str(file), host=stage.url)
    return storage.cache_location


@plays()
def a_good_one_after_a_bad_one(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, stage.url, app("bad-token"), app("good-token"))
    return [auth().get_token(), kept(file)]


@plays()
def app_tokens_go_first(stage: Stage) -> object:
    file = hub(stage, "first", "second")
    holds(file, stage.url, oauth("first"), app("second"))
    return auth().get_token()


@plays()
def the_environment_goes_first(stage: Stage) -> object:
    file = hub(stage, "of-env", "good-token", DAGSHUB_USER_TOKEN="of-env")
    holds(file, stage.url, app("good-token"))
    file.chmod(0o600)  # which is not opened
    found = tokens().get_token_object()
    return [type(found).__name__, found.token_text, found.host, found.priority, found.is_expired]


@plays()
def the_environment_s_is_refused(stage: Stage) -> object:
    hub(stage, DAGSHUB_USER_TOKEN="bad-token")
    return auth().get_token()


@plays(
    result=Differs("removes nothing", [None, {"version": "1", "{url}": [app("good-token")]}]),
)
def the_server_has_trouble(stage: Stage) -> object:
    file = hub(stage)
    holds(file, stage.url, app("good-token"))
    stage.says(USER, answer(503))
    return [stage.catches(lambda: auth().get_token(fail_if_no_token=True)) and None, kept(file)]


@plays()
def the_server_has_trouble_as_a_token_is_added(stage: Stage) -> object:
    file = hub(stage)
    stage.says(USER, answer(503))
    return [stage.catches(lambda: auth().add_app_token("good-token")), kept(file)]


@plays(
    raised=Differs("Trouble on the network is a `TransportError`", "own:NoAnswerUncheckedError"),
)
def nobody_listens_as_a_token_is_added(stage: Stage) -> object:
    hub(stage, DAGSHUB_CLIENT_HOST="http://127.0.0.1:9")
    return auth().add_app_token("good-token")


@plays()
def tokens_are_judged(stage: Stage) -> object:
    """Also as a static method."""
    hub(stage, "good-token")
    storage = tokens().TokenStorage
    return [
        storage.is_valid_token("good-token", stage.url),
        storage.is_valid_token("bad-token", stage.url),
        storage.is_valid_token(kinds().AppDagshubToken("good-token"), stage.url),
        storage.is_valid_token(kinds().HTTPBearerAuth("good-token"), stage.url),
        storage.get_username_of_token("good-token", stage.url),
        storage.get_username_of_token("bad-token", stage.url),
    ]


@plays()
def a_token_is_invalidated(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, stage.url, app("good-token"), app("other"))
    storage = tokens().TokenStorage(str(file))
    storage.invalidate_token(storage.get_token_object(stage.url), stage.url)
    return kept(file)


# Signing in


@plays(
    requests=Differs("What was just issued needs no question", ANY),
)
def a_sign_in(stage: Stage) -> object:
    file = hub(stage)
    found = tokens().get_token_object()
    return [type(found).__name__, found.token_text, len(stage.opened), sorted(kept(file))]


@plays(
    requests=Differs("What was just issued needs no question", ANY),
)
def a_sign_in_on_purpose(stage: Stage) -> object:
    hub(stage)
    auth().add_oauth_token(referrer="colab")
    return ["&referrer=colab" in stage.opened[0], auth().get_token(fail_if_no_token=True)]


@plays()
def a_sign_in_that_is_refused(stage: Stage) -> object:
    hub(stage)
    stage.says(MIDDLEMAN, answer(400, {"error": "denied"}))
    return auth().add_oauth_token()


@plays()
def a_middleman_that_refuses_without_a_code(stage: Stage) -> object:
    hub(stage)
    stage.says(MIDDLEMAN, answer(400, {"message": "no such request"}))
    return auth().add_oauth_token()


@plays()
def a_middleman_that_is_not_there(stage: Stage) -> object:
    hub(stage)
    stage.says(MIDDLEMAN, answer(404, {"message": "not found"}))
    return auth().get_token()


@plays()
def an_exchange_that_is_refused(stage: Stage) -> object:
    hub(stage)
    stage.says(EXCHANGE, answer(400, {"error": "denied"}))
    return auth().add_oauth_token()


@plays(
    requests=Differs("What was just issued needs no question", ANY),
)
def colab_logs_in(stage: Stage) -> object:
    hub(stage)
    stage.catches(import_module("dagshub.colab.login").login)  # it goes on to make a repository
    return auth().get_token(fail_if_no_token=True)


# Token objects


@plays()
def tokens_are_values(stage: Stage) -> object:
    hub(stage)
    end = datetime(2099, 1, 2, tzinfo=UTC)
    there = [kinds().AppDagshubToken("a"), kinds().OAuthDagshubToken("o", end)]
    there.append(kinds().EnvVarDagshubToken("e"))
    return [
        [type(t).__name__, t.token_type, t.priority, t.token_text, t.token_value, t.is_expired]
        for t in there
    ] + [there[0].token_value == "a", there[1].expiry_date == end, there[2].host]


@plays()
def tokens_are_written_and_read(stage: Stage) -> object:
    hub(stage)
    made = [
        kinds().AppDagshubToken.deserialize(app("a")),
        kinds().OAuthDagshubToken.deserialize(oauth("o")),
    ]
    return [
        *(each.serialize() for each in made),
        stage.catches(lambda: kinds().EnvVarDagshubToken("e").serialize()),
        stage.catches(lambda: kinds().EnvVarDagshubToken.deserialize({})),
        stage.catches(lambda: kinds().OAuthDagshubToken.deserialize(oauth("o", "soon"))),
        stage.catches(lambda: kinds().AppDagshubToken.deserialize({})),
    ]


@plays()
def tokens_are_pickled(stage: Stage) -> object:
    hub(stage)
    end = datetime(2099, 1, 2, tzinfo=UTC)
    made = [
        kinds().EnvVarDagshubToken("e", "https://dagshub.com"),
        kinds().AppDagshubToken("a"),
        kinds().OAuthDagshubToken("o", end),
    ]
    again = pickle.loads(pickle.dumps([*made, kinds().HTTPBearerAuth("b")]))
    return [*(each.token_text for each in again[:3]), again[2].expiry_date == end, again[3].token]


@plays()
def tokens_are_an_auth_of_httpx(stage: Stage) -> object:
    hub(stage, "good-token")
    http = import_module("httpx")
    return [
        http.get(f"{stage.url}{CATS}", auth=kinds().AppDagshubToken("good-token")).status_code,
        http.get(f"{stage.url}{CATS}", auth=kinds().EnvVarDagshubToken("good-token")).status_code,
        http.get(f"{stage.url}{CATS}", auth=kinds().HTTPBearerAuth("good-token")).status_code,
    ]


@plays()
def tokens_are_an_auth_of_requests(stage: Stage) -> object:
    hub(stage, "good-token")
    http = import_module("requests")
    return [
        http.get(f"{stage.url}{CATS}", auth=kinds().AppDagshubToken("good-token")).status_code,
        http.get(f"{stage.url}{CATS}", auth=kinds().HTTPBearerAuth("good-token")).status_code,
    ]


@plays()
def bearers_are_compared(stage: Stage) -> object:
    hub(stage)
    bear = kinds().HTTPBearerAuth
    return [
        bear("a") == bear("a"),
        bear("a") != bear("b"),
        bear("a").token,
        stage.catches(lambda: bear("")),
    ]


# Authenticators


@plays()
def an_authenticator_of_httpx(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, stage.url, app("good-token"))
    made = auth().get_authenticator()
    reply = import_module("httpx").get(f"{stage.url}{CATS}", auth=made)
    return [reply.status_code, made.token_text]


@plays()
def an_authenticator_renews(stage: Stage) -> object:
    """The first token is refused in mid-work; the second one takes its place."""
    file = hub(stage, "first", "second")
    holds(file, stage.url, app("first"), app("second"))
    made = auth().get_authenticator(host=stage.url)
    hub(stage, "second")
    reply = import_module("httpx").get(f"{stage.url}{CATS}", auth=made)
    return [reply.status_code, made.token_text, kept(file)]


@plays()
def an_authenticator_of_requests(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, stage.url, app("good-token"))
    made = auth().get_authenticator(fail_if_no_token=True)
    return import_module("requests").get(f"{stage.url}{CATS}", auth=made).status_code


@plays()
def an_authenticator_is_pickled(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, stage.url, app("good-token"))
    made = pickle.loads(pickle.dumps(auth().get_authenticator()))
    return made.token_text


@plays(
    requests=Differs("a 401 makes the next call check it again", ["GET " + USER, "GET " + CATS]),
)
def an_authenticator_of_the_environment(stage: Stage) -> object:
    """Nothing takes its place: the answer comes back as it is."""
    hub(stage, "of-env", DAGSHUB_USER_TOKEN="of-env")
    made = auth().get_authenticator()
    stage.says(CATS, answer(401))
    return import_module("httpx").get(f"{stage.url}{CATS}", auth=made).status_code


# The file


@plays()
def other_entries_stay(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, "https://hub.example.com", app("other"))
    auth().add_app_token("good-token")
    return kept(file)


@plays()
def the_file_is_cleared(stage: Stage) -> object:
    file = hub(stage)
    holds(file, stage.url, app("a"))
    auth().clear_token_cache(force=True)
    return file.exists()


@plays(raised=Differs("a missing file is no error", None))
def a_missing_file_is_cleared(stage: Stage) -> object:
    hub(stage)
    return auth().clear_token_cache(True)


@plays()
def another_file(stage: Stage) -> object:
    hub(stage, "good-token")
    other = stage.folder / "other"
    holds(other, stage.url, app("good-token"))
    return auth().get_token(cache_location=str(other))


# DagsHub's own callers


def command(*words: str) -> object:
    cli = import_module("dagshub.common.cli")
    try:
        return cli.cli(list(words), standalone_mode=False)
    except import_module("click").ClickException as error:
        return [type(error).__name__, str(error)]


@plays()
def the_command_takes_a_token(stage: Stage) -> object:
    file = hub(stage, "good-token")
    return [command("login", "--token", "good-token", "--host", stage.url), kept(file)]


@plays()
def the_command_refuses_a_token(stage: Stage) -> object:
    file = hub(stage)
    call = lambda: command("login", "--token", "bad-token", "--host", stage.url)  # noqa: E731
    return [stage.catches(call), kept(file)]


@plays(
    requests=Differs("What was just issued needs no question", ANY),
)
def the_command_signs_in(stage: Stage) -> object:
    hub(stage)
    command("login", "--host", stage.url)
    return [len(stage.opened), auth().get_token(fail_if_no_token=True)]


@plays(
    requests=Differs("What was just issued needs no question", ANY),
)
def the_command_signs_in_quietly(stage: Stage) -> object:
    hub(stage, DAGSHUB_QUIET="no")
    command("--host", stage.url, "login", "-q")
    return auth().get_token(fail_if_no_token=True)


def repository(heard: Heard) -> Says:
    if bearer(heard) != "good-token":
        return answer(401, {"message": "no"})
    owner = ALICE | {"html_url": ""}
    return answer(
        200,
        {
            "id": 7,
            "owner": owner,
            "name": "cats",
            "full_name": "alice/cats",
            "description": "",
            "private": False,
            "fork": False,
            "empty": False,
            "mirror": False,
            "size": 1,
            "html_url": "",
            "clone_url": "",
            "website": None,
            "stars_count": 0,
            "forks_count": 0,
            "watchers_count": 0,
            "open_issues_count": 0,
            "default_branch": "main",
            "created_at": "",
            "updated_at": "",
            "permissions": {"admin": True, "push": True, "pull": True},
            "parent": None,
        },
    )


@plays()
def repo_api(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, stage.url, app("good-token"))
    stage.says(REPO, repository)
    found = import_module("dagshub.common.api.repo").RepoAPI("alice/cats", stage.url)
    return found.default_branch


@plays()
def user_api(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, stage.url, app("good-token"))
    stage.says("/api/v1/users/alice", answer(200, ALICE))
    user = import_module("dagshub.common.api.user").UserAPI
    return [user.get_current_user().username, user("alice", stage.url).user_id]


@plays()
def repo_with_a_token(stage: Stage) -> object:
    """``Repo.auth`` is a token object then, and what sends requests with it is httpx."""
    hub(stage, "good-token")
    stage.says(REPO, repository)
    made = import_module("dagshub.upload.wrapper").Repo(
        "alice", "cats", token="good-token", branch="main"
    )
    found = import_module("dagshub.common.api.repo").RepoAPI(
        "alice/cats", host=stage.url, auth=made.auth
    )
    return [type(made.auth).__name__, found.default_branch]


@plays()
def repo_with_a_stored_token(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, stage.url, app("good-token"))
    made = import_module("dagshub.upload.wrapper").Repo("alice", "cats", branch="main")
    return import_module("httpx").get(f"{stage.url}{CATS}", auth=made.auth).status_code


@plays(
    raised=Differs("Trouble on the network is a `TransportError`", ANY),
    requests=Differs("a held request that breaks is made again", ANY),
)
def a_middleman_that_hangs_up(stage: Stage) -> object:
    hub(stage)
    stage.says(MIDDLEMAN, HANGS_UP)
    return auth().add_oauth_token()


@plays()
def methods_with_keywords_that_nobody_knows(stage: Stage) -> object:
    file = hub(stage, "good-token")
    holds(file, stage.url, app("good-token"))
    storage = tokens().TokenStorage(str(file))
    return [
        storage.get_token(stage.url, quiet=True),
        storage.get_token_object(stage.url, quiet=True).token_text,
        storage.get_authenticator(stage.url, quiet=True).token_text,
    ]


@plays(
    result=Differs(
        "`DagshubAuthenticator(token, token_storage, host)`",
        [
            f"dagshub.auth.token_auth.DagshubAuthenticator{each}"
            for each in ("(token)", "(token_storage)", ".can_renegotiate", ".renegotiate_token")
        ],
    ),
)
def every_name(stage: Stage) -> object:
    """Of the source: names, members and parameters that are missing."""
    return lacking("dagshub.auth", "dagshub.auth.token_auth", "dagshub.auth.tokens")


@plays()
def signatures(stage: Stage) -> object:
    """Those that have more than ``**kwargs``."""
    hub(stage)
    own = ("cache_location", "unknown", "kwargs")
    names = ("add_app_token", "add_oauth_token", "clear_token_cache")
    storage = tokens().TokenStorage
    methods = ("add_token", "get_token", "get_token_object", "get_authenticator")
    classes = ("AppDagshubToken", "OAuthDagshubToken", "HTTPBearerAuth")
    given = [name for name, _ in shape(kinds().EnvVarDagshubToken)]
    return [
        [shape(getattr(auth(), name), *own) for name in names],
        [shape(getattr(storage, name), *own) for name in methods],
        [[name for name, _ in shape(getattr(kinds(), each))] for each in classes],
        given,
    ]
