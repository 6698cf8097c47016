"""Bitfount's session, and the hub's client that sends requests with it.

Only its modules about signing in are imported: the rest needs pandas and torch, and stands here as
modules that are empty.
"""

from __future__ import annotations

import json
import os
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import PathFinder
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from tests.interop.callers.names import lacking
from tests.interop.callers.stage import (
    ANY,
    HANGS_UP,
    Differs,
    Scenarios,
    Stage,
    answer,
    hosts,
    shape,
)

SCENARIOS: Final = Scenarios()
plays = SCENARIOS.plays

DEVICE: Final = "/oauth/device/code"
TOKEN: Final = "/oauth/token"
PODS: Final = "/api/pods"
PENDING: Final = answer(403, {"error": "authorization_pending"})
HOSTS: Final = ("auth.bitfount.com", "hub.bitfount.com", "am.hub.bitfount.com", "else.example.com")
EMPTY: Final = (
    "bitfount.config",
    "bitfount.data",
    "bitfount.data.schema",
    "bitfount.federated",
    "bitfount.federated.encryption",
    "bitfount.federated.monitoring",
    "bitfount.federated.monitoring.types",
    "bitfount.federated.types",
    "bitfount.models",
    "bitfount.models.bitfount_model",
    "bitfount.storage",
    "bitfount.types",
)


class _Empty(ModuleType):
    """Has every name, and behind each the same class."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (dict,), {})


def load() -> None:
    """Import what is slow, and make modules of the rest."""
    spec = PathFinder.find_spec("bitfount")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    root = Path(spec.submodule_search_locations[0])
    for name in ("bitfount", "bitfount.hub", "bitfount.utils"):
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    sys.modules.update({name: _Empty(name) for name in EMPTY})
    config = sys.modules["bitfount.config"]
    vars(config).update(BITFOUNT_STORAGE_PATH=Path(), _get_environment=lambda: "production")
    vars(sys.modules["bitfount.utils"]).update(
        delegates=lambda: lambda made: made,
        _get_mb_from_bytes=_Size,
        _get_non_abstract_classes_from_module=None,
        web_utils=import_module("bitfount.utils.web_utils"),
    )
    import_module("bitfount.hub.authentication_flow")
    import_module("bitfount.hub.api")


class _Size:
    def __init__(self, _: int) -> None:
        self.whole = 10


def session(stage: Stage, **members: object) -> Any:
    made = import_module("bitfount.hub.authentication_flow")
    place = stage.folder / "bitfount"
    os.environ["BITFOUNT_STORAGE_PATH"] = str(place)
    vars(made)["BITFOUNT_STORAGE_PATH"] = place  # the original reads it as it is imported
    return made.BitfountSession(**members)


def hub(stage: Stage, **members: object) -> Any:
    return import_module("bitfount.hub.api").BitfountHub(session(stage, **members))


def at_bitfount(play: Callable[[Stage], object]) -> Callable[[Stage], object]:
    """Play where Bitfount's names lead to the stage's server."""

    def played(stage: Stage) -> object:
        with hosts(stage, *HOSTS):
            return play(stage)

    played.__name__ = play.__name__
    return played


def id_token(name: str) -> str:
    head, body = ({"alg": "none", "typ": "JWT"}, {"https://www.bitfount.com/username": name})
    parts = [
        urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in (head, body)
    ]
    return f"{'.'.join(parts)}."


def issued(name: str = "alice", **members: object) -> dict[str, object]:
    return {
        "access_token": "at-1",
        "refresh_token": "rt-1",
        "id_token": id_token(name),
        "scope": "profile openid offline_access",
        "expires_in": 86400,
        "token_type": "Bearer",
    } | members


def signs_in(stage: Stage, *polls: Any, **members: object) -> None:
    code: dict[str, object] = {
        "device_code": "dc-1",
        "user_code": "ABCD-EFGH",
        "verification_uri": "https://auth.bitfount.com/activate",
        "verification_uri_complete": "https://auth.bitfount.com/activate?user_code=ABCD-EFGH",
        "expires_in": 900,
        "interval": 5,
    }
    stage.says(DEVICE, answer(200, code | members))
    stage.says(TOKEN, *(polls or (answer(200, issued()),)))
    stage.says(PODS, answer(200, [{"name": "pod"}]))


def holds(stage: Stage, name: str = "alice", **members: object) -> None:
    file = stage.folder / "bitfount" / name / ".token"
    file.parent.mkdir(parents=True)
    held: dict[str, object] = {
        "access_token": "old-at",
        "refresh_token": "old-rt",
        "id_token": id_token("alice"),
        "access_token_expires_at": time.time() + 7200,
        "auth_domain": "auth.bitfount.com",
        "client_id": "8iCJ33Kp6hc9ofrXTzr5GLxMRHWrlzZO",
        "scopes": "profile openid offline_access",
        "audience": "https://hub.bitfount.com/api",
    }
    file.write_text(json.dumps(held | members))


def kept(stage: Stage, name: str = "alice") -> object:
    """Read the file; ends are rounded to hours, and what only one side writes is left out."""
    file = stage.folder / "bitfount" / name / ".token"
    found: dict[str, Any] = json.loads(file.read_text())
    hours = round((found.pop("access_token_expires_at") - time.time()) / 3600)
    found.pop("access_token_issued_at", None)
    return [found, hours]


# Signing in


@plays()
@at_bitfount
def signed_in(stage: Stage) -> object:
    signs_in(stage)
    made = session(stage, username="alice")
    before = [made.authenticated, made.expired, made.access_token_expires_at, made.device_code]
    made.authenticate()
    after = [made.authenticated, made.expired, made.username, made.refresh_token, made.device_code]
    return [before, after, made.token_request_interval, made.device_code_expires_in, kept(stage)]


@plays()
@at_bitfount
def signed_in_by_the_first_request(stage: Stage) -> object:
    signs_in(stage)
    made = session(stage)
    reply = made.get(f"https://hub.bitfount.com{PODS}")
    return [reply.json(), made.username, made.access_token, kept(stage, "_default")]


@plays()
@at_bitfount
def approved_after_pending(stage: Stage) -> object:
    signs_in(stage, PENDING, answer(429, {"error": "slow_down"}), PENDING, answer(200, issued()))
    made = session(stage, username="alice")
    made.authenticate()
    return made.authenticated


@plays()
@at_bitfount
def denied(stage: Stage) -> object:
    signs_in(stage, answer(403, {"error": "access_denied"}))
    return session(stage, username="alice").authenticate()


@plays()
@at_bitfount
def expired(stage: Stage) -> object:
    signs_in(stage, PENDING, answer(403, {"error": "expired_token"}))
    return session(stage, username="alice").authenticate()


@plays()
@at_bitfount
def a_page_instead_of_a_token(stage: Stage) -> object:
    signs_in(stage, answer(200, b"<html>"))
    return session(stage, username="alice").authenticate()


@plays()
@at_bitfount
def a_refused_start(stage: Stage) -> object:
    stage.says(DEVICE, answer(403, {"error": "unauthorized_client"}))
    try:
        session(stage, username="alice").authenticate()
    except import_module("requests").HTTPError as error:
        return [error.response.status_code, bool(error.response)]
    return "signed in"


@plays(requests=Differs("A start that meets trouble", ["POST " + DEVICE] * 5))
@at_bitfount
def a_start_that_breaks(stage: Stage) -> object:
    stage.says(DEVICE, answer(503, b"down"))
    return session(stage, username="alice").authenticate()


@plays(requests=Differs("A start that meets trouble", ["POST " + DEVICE] * 5))
@at_bitfount
def a_start_that_hangs_up(stage: Stage) -> object:
    stage.says(DEVICE, HANGS_UP)
    return session(stage, username="alice").authenticate()


@plays()
@at_bitfount
def a_start_s_page(stage: Stage) -> object:
    stage.says(DEVICE, answer(200, b"<html>"))
    return session(stage, username="alice").authenticate()


@plays(
    result=Differs("Somebody else signed in", ANY),
)
@at_bitfount
def somebody_else_signs_in(stage: Stage) -> object:
    """The original's check ends with the folder's own name, and never fails for a given name."""
    signs_in(stage, answer(200, issued("mallory")))
    made = session(stage, username="alice")
    return stage.catches(made.authenticate)


# The file


@plays()
@at_bitfount
def a_stored_token(stage: Stage) -> object:
    holds(stage)
    made = session(stage, username="alice")
    made.authenticate()
    return [made.authenticated, made.access_token, made.refresh_token]


@plays()
@at_bitfount
def a_stored_token_near_its_end(stage: Stage) -> object:
    holds(stage, access_token_expires_at=time.time() + 60)
    stage.says(TOKEN, answer(200, issued(refresh_token="rt-2")))
    made = session(stage, username="alice")
    made.authenticate()
    return [made.access_token, made.refresh_token, kept(stage)]


@plays()
@at_bitfount
def a_refused_refresh(stage: Stage) -> object:
    holds(stage, access_token_expires_at=time.time() - 60)
    signs_in(stage, answer(403, {"error": "invalid_grant"}), answer(200, issued()))
    made = session(stage, username="alice")
    made.authenticate()
    return [made.access_token, kept(stage)]


@plays(
    result=Differs("answer may leave out `refresh_token`", "at-1"),
    raised=Differs("answer may leave out `refresh_token`", None),
)
@at_bitfount
def a_refresh_without_a_new_refresh_token(stage: Stage) -> object:
    holds(stage, access_token_expires_at=time.time() - 60)
    stage.says(TOKEN, answer(200, {"access_token": "at-1", "expires_in": 86400}))
    made = session(stage, username="alice")
    made.authenticate()
    return made.access_token


@plays()
@at_bitfount
def tokens_for_other_scopes(stage: Stage) -> object:
    holds(stage, scopes="other")
    signs_in(stage)
    made = session(stage, username="alice")
    made.authenticate()
    return [made.access_token, kept(stage)]


@plays(
    result=Differs("A damaged file is kept aside", "at-1"),
    raised=Differs("A damaged file is kept aside", None),
    requests=Differs("A damaged file is kept aside", ["POST " + DEVICE, "POST " + TOKEN]),
)
@at_bitfount
def a_damaged_file(stage: Stage) -> object:
    holds(stage)
    (stage.folder / "bitfount" / "alice" / ".token").write_text("{")
    signs_in(stage)
    made = session(stage, username="alice")
    made.authenticate()
    return made.access_token


# API keys


@plays()
@at_bitfount
def api_keys(stage: Stage) -> object:
    os.environ.update(BITFOUNT_API_KEY_ID="h:am", BITFOUNT_API_KEY="k:amk")
    stage.says(PODS, answer(200, []))
    stage.says("/api/access", answer(200, {}))
    made = session(stage, username="alice")
    made.authenticate()
    made.get(f"https://hub.bitfount.com{PODS}")
    made.post("https://am.hub.bitfount.com/api/access", json={})
    return [made.authenticated, made.api_keys.access_key_id, made.api_keys.access_key]


@plays()
@at_bitfount
def empty_api_keys(stage: Stage) -> object:
    os.environ.update(BITFOUNT_API_KEY_ID="", BITFOUNT_API_KEY="")
    signs_in(stage)
    made = session(stage, username="alice")
    return [made.api_keys, made.authenticate(), made.authenticated]


# Requests


@plays()
@at_bitfount
def headers_are_none(stage: Stage) -> object:
    holds(stage)
    stage.says(PODS, answer(200, []))
    made = session(stage, username="alice")
    reply = made.request("GET", f"https://hub.bitfount.com{PODS}", None, None, None)
    return [reply.status_code, made.get(f"https://hub.bitfount.com{PODS}", headers={}).status_code]


@plays(
    requests=Differs("The original sends it with every request to anywhere", ["GET /"]),
)
@at_bitfount
def another_host(stage: Stage) -> object:
    holds(stage)
    (stage.folder / "bitfount" / "alice" / ".token").chmod(0o600)  # which is not opened
    stage.says("/", answer(200, b"hello"))
    return session(stage, username="alice").get("https://else.example.com/").status_code


# The hub's own client: every call catches ``RequestException``, and returns nothing then


@plays()
@at_bitfount
def the_hub_lists_pods(stage: Stage) -> object:
    signs_in(stage)
    made = hub(stage)
    return [made.get_all_pods(), made.username]


def goes_wrong(stage: Stage, *answers: Any) -> object:
    """A token that ends while the hub's client is used, and an authorization server in trouble."""
    holds(stage, access_token_expires_at=time.time() + 7200)
    stage.says(PODS, answer(200, []))
    stage.says(TOKEN, *answers)
    stage.says(DEVICE, *answers)
    made = hub(stage, username="alice")
    found = made.get_all_pods()
    file = stage.folder / "bitfount" / "alice" / ".token"
    held = json.loads(file.read_text()) | {"access_token_expires_at": time.time() - 60}
    file.write_text(json.dumps(held))
    again = import_module("bitfount.hub.api").BitfountHub.__new__(type(made))
    again.session, again.url = session(stage, username="alice"), made.url
    return [found, again.get_all_pods(), again.get_all_models()]


@plays(
    requests=Differs("A refresh that may have reached the server", ANY),
)
@at_bitfount
def the_hub_meets_a_server_that_hangs_up(stage: Stage) -> object:
    return goes_wrong(stage, HANGS_UP)


@plays(
    requests=Differs("Requests that fail are asked again", ANY),
)
@at_bitfount
def the_hub_meets_a_server_that_is_down(stage: Stage) -> object:
    return goes_wrong(stage, answer(503, b"down"))


@plays()
@at_bitfount
def the_hub_meets_a_server_that_refuses(stage: Stage) -> object:
    return goes_wrong(stage, answer(403, {"error": "unauthorized_client"}))


@plays()
def every_name(stage: Stage) -> object:
    """Of the source: names, members and parameters that are missing."""
    flow = "bitfount.hub.authentication_flow"
    named = f"{flow}.BitfountSession.request(**kwargs)"  # those of ``requests``, each by its name
    return [each for each in lacking(flow) if each != named]


@plays()
def signatures(stage: Stage) -> object:
    made = session(stage)
    own = ("hub_urls", "am_urls", "transport", "clock", "prompt")
    names = (
        *("access_token_expires_at", "device_code", "device_code_arrival_time"),
        *("device_code_expires_in", "id_token", "refresh_token", "token_request_interval"),
    )
    return [
        shape(type(made), *own),
        list(signature(type(made).request).parameters)[:5],
        [getattr(made, name) for name in names],
        [made.user_storage_path.name, made.token_file.name, made.authenticated, made.expired],
    ]
