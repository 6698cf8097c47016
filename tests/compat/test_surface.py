"""What stands in for another library is made of what anybody may import from this one."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import grantflow
from grantflow.compat import flytekit, stanford_green

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


def parameters(function: object) -> list[str]:
    """Return the parameters of the original: ours of our own are keywords with a default."""
    assert callable(function)
    found = inspect.signature(function).parameters.values()
    own = [each for each in found if each.kind is each.KEYWORD_ONLY]
    assert all(each.default is not each.empty for each in own)
    return [
        each.name if each.default is each.empty else f"{each.name}={each.default!r}"
        for each in found
        if each.kind is not each.KEYWORD_ONLY
    ]


def test_the_signatures_are_flytekit_s() -> None:
    assert parameters(flytekit.get_basic_authorization_header) == ["client_id", "client_secret"]
    assert parameters(flytekit.get_device_code) == [
        "device_auth_endpoint",
        "client_id",
        "audience=None",
        "scope=None",
        "http_proxy_url=None",
        "verify=None",
        "session=None",
    ]
    grant = "grant_type=<GrantType.CLIENT_CREDS: 'client_credentials'>"
    assert parameters(flytekit.get_token) == [
        "token_endpoint",
        "scopes=None",
        "authorization_header=None",
        "client_id=None",
        "device_code=None",
        "audience=None",
        grant,
        "http_proxy_url=None",
        "verify=None",
        "session=None",
        "refresh_token=None",
    ]
    assert parameters(flytekit.poll_token_endpoint) == [
        "resp",
        "token_endpoint",
        "client_id",
        "audience=None",
        "scopes=None",
        "http_proxy_url=None",
        "verify=None",
    ]
    assert parameters(flytekit.DeviceCodeResponse) == [
        "device_code",
        "user_code",
        "verification_uri",
        "expires_in",
        "interval",
        "verification_uri_complete=None",
    ]
    assert parameters(flytekit.DeviceCodeResponse.from_json_response) == ["j"]


def test_the_signatures_are_stanford_green_s() -> None:
    endpoint = stanford_green.ApiAccessTokenEndpoint
    assert parameters(endpoint) == [
        "endpoint_type",
        "url",
        "client_id",
        "client_secret",
        "exp_backoff",
        "timeout=15.0",
        "use_cache=True",
        "verbose=False",
        "grant_type='client_credentials'",
        "scopes=()",
    ]
    assert parameters(stanford_green.AccessToken) == ["token", "expires_at"]
    assert parameters(endpoint.get_token) == ["self", "expires_at_override=None"]
    assert parameters(endpoint.cache_get) == ["self"]
    assert parameters(endpoint.cache_set) == ["self", "value", "expires_in"]
    assert parameters(endpoint.progress) == ["self", "msg"]
    for name in ("is_acs_api", "is_oauth2"):
        assert parameters(getattr(endpoint, name)) == ["self"]
    for name in ("_get_token", "_get_token_acs_api", "_get_token_oauth2"):  # documented there
        assert parameters(getattr(endpoint, name)) == ["self"]
    for name in ("expires_in", "is_expired", "zulu_time_string"):
        assert parameters(getattr(stanford_green.AccessToken, name)) == ["self"]
    assert isinstance(stanford_green.AccessToken.expires_at, property)
