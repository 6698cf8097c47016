"""Stanford's endpoint class, with the real backoff package.

No registry has the original: what it did is in ``stanford-original.json``, as this module played it
to version 0.4.0 of its repository, beside diskcache 5.6.3.
"""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, Final

from tests.interop.callers.stage import HANGS_UP, Differs, Scenarios, Stage, answer, shape

SCENARIOS: Final = Scenarios()
plays = SCENARIOS.plays

TOKEN: Final = "/token"
GOOD: Final = answer(200, {"access_token": "at-1", "expires_in": 3600})


def load() -> None:
    """Import what is slow."""
    library()


def library() -> Any:
    return import_module("stanford.green.oauth2")


def endpoint(stage: Stage, kind: str = "oauth2", **members: object) -> Any:
    backoff = import_module("exponential_backoff_ca").ExponentialBackoff(1.0, 3, limit_value=2.0)
    given = {"use_cache": False} | members
    url = f"{stage.url}{TOKEN}"
    return library().ApiAccessTokenEndpoint(kind, url, "cid", "its secret", backoff, **given)


def told(token: Any) -> list[object]:
    return [token.token, round(token.expires_in() / 10), token.is_expired()]


# What callers pass


@plays()
def scopes_in_a_list(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return told(endpoint(stage, scopes=["read", "list"]).get_token())


@plays(requests=Differs("an empty scope is left out", ["POST " + TOKEN]))
def no_scopes(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return told(endpoint(stage).get_token())


@plays(
    result=Differs("`scopes=None` means none", ["at-1", 360, False]),
    raised=Differs("`scopes=None` means none", None),
    requests=Differs("`scopes=None` means none", ["POST " + TOKEN]),
)
def scopes_are_none(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return told(endpoint(stage, scopes=None).get_token())


@plays()
def a_timeout_of_none(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return told(endpoint(stage, scopes=["read"], timeout=None).get_token())


@plays()
def a_timeout_for_each_part(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return told(endpoint(stage, scopes=["read"], timeout=(3.05, 15)).get_token())


@plays()
def a_whole_number_of_seconds(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return told(endpoint(stage, scopes=["read"], timeout=15, verbose=True).get_token())


@plays()
def another_grant(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    return told(endpoint(stage, scopes=["read"], grant_type="password").get_token())


@plays()
def an_unknown_kind(stage: Stage) -> object:
    return endpoint(stage, "oauth3")


# Answers


@plays()
def an_end_as_text(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"access_token": "at-1", "expires_in": "3600"}))
    return told(endpoint(stage, scopes=["read"]).get_token())


@plays()
def no_end(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"access_token": "at-1"}))
    return endpoint(stage, scopes=["read"]).get_token()


@plays()
def an_end_of_null(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"access_token": "at-1", "expires_in": None}))
    return endpoint(stage, scopes=["read"]).get_token()


@plays(
    result=Differs("An `expires_in` of 0", None),
    raised=Differs("An `expires_in` of 0", "own:UnusableAnswerError"),
)
def an_end_at_once(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"access_token": "at-1", "expires_in": 0}))
    return told(endpoint(stage, scopes=["read"]).get_token())


@plays()
def no_token(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"expires_in": 3600}))
    return endpoint(stage, scopes=["read"]).get_token()


@plays()
def a_token_of_null(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"access_token": None, "expires_in": 3600}))
    return endpoint(stage, scopes=["read"]).get_token()


@plays()
def an_error_in_a_200(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"error": "invalid_client"}))
    return endpoint(stage, scopes=["read"]).get_token()


@plays()
def a_page_in_a_200(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, b"<html>"))
    return endpoint(stage, scopes=["read"]).get_token()


@plays()
def trouble_twice(stage: Stage) -> object:
    stage.says(TOKEN, answer(500, b"oops"), HANGS_UP, GOOD)
    return told(endpoint(stage, scopes=["read"]).get_token())


@plays()
def a_framework_s_words(stage: Stage) -> object:
    """What Spring and others answer by default."""
    stage.says(
        TOKEN,
        answer(429, {"statusCode": 429, "error": "Too Many Requests"}),
        answer(408, {"error": "Request Timeout"}),
        GOOD,
    )
    return told(endpoint(stage, scopes=["read"]).get_token())


@plays()
def trouble_to_the_end(stage: Stage) -> object:
    stage.says(TOKEN, answer(503, b"down"))
    return endpoint(stage, scopes=["read"]).get_token()


@plays(requests=Differs("Refusals are final", ["POST " + TOKEN]))
def refused(stage: Stage) -> object:
    stage.says(TOKEN, answer(401, {"error": "invalid_client"}))
    return endpoint(stage, scopes=["read"]).get_token()


@plays(
    result=Differs("The backoff is not used up", ["HTTPError", ["at-1", 360, False]]),
    raised=Differs("The backoff is not used up", None),
    requests=Differs("The backoff is not used up", ["POST " + TOKEN] * 4),
)
def used_again_after_trouble(stage: Stage) -> object:
    made = endpoint(stage, scopes=["read"])
    stage.says(TOKEN, *[answer(503, b"down")] * 3, GOOD)
    try:
        made.get_token()
    except import_module("requests").HTTPError:
        return ["HTTPError", told(made.get_token())]
    return "a token"


@plays()
def nobody_listens(stage: Stage) -> object:
    made = endpoint(stage, scopes=["read"])
    made.url = "http://127.0.0.1:9/token"
    return made.get_token()


@plays(
    result=Differs("No redirect is followed", None),
    raised=Differs("No redirect is followed", "own:TokenRequestError"),
    requests=Differs("No redirect is followed", ["POST " + TOKEN]),
)
def redirected(stage: Stage) -> object:
    stage.says(TOKEN, answer(307, b"", Location="/other"))
    stage.says("/other", GOOD)
    return told(endpoint(stage, scopes=["read"]).get_token())


# The other dialect


@plays()
def acs(stage: Stage) -> object:
    end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    stage.says(TOKEN, answer(200, {"access_token": "at-1", "expires_at": end, "expires_in": 1}))
    return told(endpoint(stage, "acs_api").get_token())


@plays()
def acs_with_a_time_that_is_none(stage: Stage) -> object:
    said = {"access_token": "at-1", "expires_at": "2024-07-28T21:42:34"}
    stage.says(TOKEN, answer(200, said))
    return endpoint(stage, "acs_api").get_token()


@plays()
def acs_without_a_token(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"expires_at": "2024-07-28T21:42:34Z"}))
    return endpoint(stage, "acs_api").get_token()


# The cache


@plays()
def from_the_cache(stage: Stage) -> object:
    stage.says(TOKEN, GOOD, answer(200, {"access_token": "at-2", "expires_in": 3600}))
    made = endpoint(stage, scopes=["read"], use_cache=True)
    return [told(made.get_token()), told(made.get_token()), told(made.cache_get())]


@plays()
def nothing_in_the_cache(stage: Stage) -> object:
    return endpoint(stage, scopes=["read"], use_cache=True).cache_get()


@plays()
def put_into_the_cache(stage: Stage) -> object:
    made = endpoint(stage, scopes=["read"], use_cache=True)
    made.cache_set(library().AccessToken("t", datetime.now(UTC) + timedelta(hours=1)), 3600)
    return [told(made.cache_get()), told(made.get_token())]


@plays()
def too_short_for_the_cache(stage: Stage) -> object:
    stage.says(TOKEN, answer(200, {"access_token": "at-1", "expires_in": 4}), GOOD)
    made = endpoint(stage, scopes=["read"], use_cache=True)
    return [made.get_token().token, made.get_token().token]


@plays()
def another_end(stage: Stage) -> object:
    stage.says(TOKEN, GOOD)
    made = endpoint(stage, scopes=["read"], use_cache=True)
    before = datetime.now(UTC) - timedelta(hours=1)
    return [made.get_token(before).is_expired(), made.get_token(expires_at_override=None).token]


# Tokens


@plays()
def a_token(stage: Stage) -> object:
    made = library().AccessToken("t", datetime(2099, 1, 1, tzinfo=UTC))
    made.token = "u"
    return [made.token, made.zulu_time_string(), made.expires_at.isoformat()]


@plays()
def a_token_is_pickled(stage: Stage) -> object:
    made = library().AccessToken("t", datetime(2099, 1, 1, tzinfo=UTC))
    again = pickle.loads(pickle.dumps(made))
    return [again.token, again.expires_at.isoformat(), made.__getstate__()["token"]]


@plays()
def tokens_that_are_none(stage: Stage) -> object:
    kind, now = library().AccessToken, datetime.now(UTC)
    return [
        stage.catches(lambda: kind(None, now)),
        stage.catches(lambda: kind("", now)),
        stage.catches(lambda: kind("t", now.replace(tzinfo=None))),
    ]


@plays()
def signatures(stage: Stage) -> object:
    kind, token = library().ApiAccessTokenEndpoint, library().AccessToken
    names = ("get_token", "cache_get", "cache_set", "progress", "is_acs_api", "is_oauth2")
    inner = ("_get_token", "_get_token_acs_api", "_get_token_oauth2")  # documented there
    return [
        shape(kind, "use_basic_auth", "cache_dir", "clock"),
        [shape(getattr(kind, name)) for name in (*names, *inner)],
        shape(token, "clock"),
        [shape(getattr(token, name)) for name in ("expires_in", "is_expired", "zulu_time_string")],
        isinstance(token.expires_at, property),
    ]
