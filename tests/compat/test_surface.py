"""Stand-ins for other libraries: made of what is public here, called as documented there."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

import grantflow
from grantflow.compat import bitfount, dagshub, dvc_studio_client, flytekit, stanford_green

COMPAT = Path(grantflow.__file__).parent / "compat"
FILES = sorted(COMPAT.rglob("*.py"))

INTERNAL = ("grantflow.core", "grantflow.shell", "grantflow.cli", "grantflow.providers")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(COMPAT).as_posix())
def test_only_what_anybody_may_import_is_used(path: Path) -> None:
    """The facade, the doors beside it, and the integrations: modules that name what is public."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not [each.name for each in node.names if each.name.startswith("grantflow")]
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        if not module.startswith("grantflow") or module.startswith("grantflow.compat"):
            continue
        assert isinstance(node, ast.ImportFrom)
        assert not module.startswith(INTERNAL), module
        public: set[str] = set(import_module(module).__all__)
        assert {each.name for each in node.names} <= public, module


PARAMETERS = {
    dvc_studio_client: """
        check_token_authentication(*, uri, device_code)
        get_access_token(*, hostname, token_name=None, scopes="", client_name="client",
            open_browser=True, post_login_message=None, use_device_code=False)
        start_device_login(*, client_name, base_url=None, token_name=None, scopes=None)
    """,
    dagshub: """
        add_app_token(token, host=None, **kwargs)
        get_token(*, fail_if_no_token=False, cache_location=None, host=None, **kwargs)
        get_authenticator(*, fail_if_no_token=False, cache_location=None, host=None, **kwargs)
        add_oauth_token(host=None, referrer=None, **kwargs)
        clear_token_cache(force=False)
    """,
    bitfount: """
        BitfountSession(auth_domain="auth.bitfount.com",
            client_id="8iCJ33Kp6hc9ofrXTzr5GLxMRHWrlzZO", username="_default",
            scopes="profile openid offline_access", audience="https://hub.bitfount.com/api")
        BitfountSession.authenticate(self)
        BitfountSession.request(self, method, url, params=None, data=None, headers=None)
    """,
    flytekit: """
        get_basic_authorization_header(client_id, client_secret)
        get_device_code(device_auth_endpoint, client_id, audience=None, scope=None,
            http_proxy_url=None, verify=None, session=None)
        get_token(token_endpoint, scopes=None, authorization_header=None, client_id=None,
            device_code=None, audience=None, grant_type=GrantType.CLIENT_CREDS,
            http_proxy_url=None, verify=None, session=None, refresh_token=None)
        poll_token_endpoint(resp, token_endpoint, client_id, audience=None, scopes=None,
            http_proxy_url=None, verify=None)
        DeviceCodeResponse(device_code, user_code, verification_uri, expires_in, interval)
        DeviceCodeResponse.from_json_response(j)
        GrantType(value)
    """,
    stanford_green: """
        AccessToken(token, expires_at)
        AccessToken.expires_in(self)
        AccessToken.is_expired(self)
        AccessToken.zulu_time_string(self)
        ApiAccessTokenEndpoint(endpoint_type, url, client_id, client_secret, exp_backoff,
            timeout=15.0, use_cache=True, verbose=False, grant_type="client_credentials",
            scopes=())
        ApiAccessTokenEndpoint._get_token(self)
        ApiAccessTokenEndpoint._get_token_acs_api(self)
        ApiAccessTokenEndpoint._get_token_oauth2(self)
        ApiAccessTokenEndpoint.cache_get(self)
        ApiAccessTokenEndpoint.cache_set(self, value, expires_in)
        ApiAccessTokenEndpoint.get_token(self, expires_at_override=None)
        ApiAccessTokenEndpoint.is_acs_api(self)
        ApiAccessTokenEndpoint.is_oauth2(self)
        ApiAccessTokenEndpoint.progress(self, msg)
    """,
}
"""What the five documents list, with parameters and defaults."""


OTHERS = {
    dvc_studio_client: "AVAILABLE_SCOPES DeviceLoginResponse InvalidScopesError",
    dagshub: "DagshubAuthenticator",
    bitfount: (
        "AuthEnvironmentError BitfountSession.access_token_expires_at BitfountSession.device_code "
        "BitfountSession.device_code_arrival_time BitfountSession.device_code_expires_at "
        "BitfountSession.id_token BitfountSession.refresh_token BitfountSession.token_file "
        "BitfountSession.token_request_interval BitfountSession.user_storage_path "
        "BitfountSession.access_token BitfountSession.api_keys BitfountSession.authenticated "
        "BitfountSession.expired BitfountSession.username"
    ),
    flytekit: (
        "utf_8 error_slow_down error_auth_pending GrantType.CLIENT_CREDS GrantType.DEVICE_CODE "
        "GrantType.REFRESH_TOKEN"
    ),
    stanford_green: "AccessToken.expires_at",
}
"""What else they list, or name in their text."""

DOCUMENTED = [
    pytest.param(module, *call.groups(), id=f"{module.__name__.rpartition('.')[2]}.{call[1]}")
    for module, text in PARAMETERS.items()
    for call in re.finditer(r"([\w.]+)\((.*?)\)\n", text, re.DOTALL)
]


def at(module: ModuleType, name: str) -> Any:
    return attrgetter(name)(module)


@pytest.mark.parametrize(("module", "name", "listed"), DOCUMENTED)
def test_a_documented_call_is_taken_as_it_is_listed(
    module: ModuleType, name: str, listed: str
) -> None:
    """Other parameters are ours, and may be left out."""
    scope = {"GrantType": flytekit.GrantType}
    theirs = inspect.signature(eval(f"(lambda {listed}: None)", scope)).parameters
    ours = inspect.signature(at(module, name)).parameters
    taken = [each for each in theirs.values() if each.kind is not each.VAR_KEYWORD]
    assert [(ours[each.name].kind, ours[each.name].default) for each in taken] == [
        (each.kind, each.default) for each in taken
    ]
    positional = [each.name for each in taken if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert list(ours)[: len(positional)] == positional
    for each in ours.values():
        assert (
            each.name in theirs or each.default is not each.empty or each.kind is each.VAR_KEYWORD
        )
    if len(taken) < len(theirs):
        assert any(each.kind is each.VAR_KEYWORD for each in ours.values())


@pytest.mark.parametrize("module", OTHERS)
def test_a_documented_name_is_there(module: ModuleType) -> None:
    for name in OTHERS[module].split():
        owner, _, last = name.rpartition(".")
        found = at(module, owner) if owner else module
        # Some of a session's are set when it is made.
        assert last in dir(found() if found is bitfount.BitfountSession else found), name


def test_documented_values_and_ancestors() -> None:
    assert dvc_studio_client.AVAILABLE_SCOPES == ["EXPERIMENTS", "DATASETS", "MODELS"]
    assert list(dvc_studio_client.DeviceLoginResponse.__annotations__) == [
        *("device_code", "user_code", "verification_uri", "token_uri", "token_name", "expires_in")
    ]
    assert issubclass(dvc_studio_client.InvalidScopesError, ValueError)
    assert issubclass(bitfount.BitfountSession, requests.Session)
    assert issubclass(bitfount.AuthEnvironmentError, bitfount.BitfountError)
    assert isinstance(stanford_green.AccessToken.expires_at, property)
