"""What stands in for another library is made of what anybody may import from this one."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import grantflow
from grantflow.compat import flytekit, stanford_green

COMPAT = Path(grantflow.__file__).parent / "compat"
FILES = sorted(COMPAT.rglob("*.py"))

PROMISED = {
    "grantflow": {*grantflow.__all__},
    "grantflow.integrations.httpx": {"TokenAuth"},
    "grantflow.integrations.requests": {"TokenAuth", "TokenSession"},
    "grantflow.shell.stores": {"FileStore", "KeyringStore", "MemoryStore", "RedisStore"},
    "grantflow.core.codec": {"dump_token", "load_token"},
}
BEYOND = {
    # What a caller passes for a header is told by its own name.
    "grantflow.core.values.validators": {"fits_a_header"},
    # A sentence for each problem, and text that a terminal may see.
    "grantflow.core.messages": {"escaped", "sentence"},
    # What a session's own rules are made of.
    "grantflow.core.client.provider": {"endpoint_problem", "origin_of"},
    "grantflow.core.acquisition.unauthorized": {"origins_of"},
    "grantflow.core.flows.states": {"Final"},
    # An answer that a caller decoded is read as the core reads one, and shows no values.
    "grantflow.core.values.parsing": {"span"},
    "grantflow.core.values.json": {"Members", "plain"},
    # A secret that a caller passes as text is none for long.
    "grantflow.core.values.secret": {"maybe_secret", "secret"},
    "grantflow.core.acquisition.freshness": {"Freshness", "freshness"},
    "grantflow.core.client.identity": {"key_of"},
    # What stands behind the port by default: run() has no name for it.
    "grantflow.shell.http.requests": {"RequestsTransport"},
    # A store over somebody else's file.
    "grantflow.shell.stores.token_document": {"Found", "mended"},
    "grantflow.shell.stores.private_file": {
        "NotAFileError",
        "locked",
        "read_private",
        "remove_private",
        "told",
        "write_private",
    },
}
"""Public names in their own modules that the top level does not have."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(COMPAT).as_posix())
def test_only_public_names_are_used(path: Path) -> None:
    allowed = PROMISED | BEYOND
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not [each.name for each in node.names if each.name.startswith("grantflow")]
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("grantflow"):
            continue
        assert node.module is not None
        if node.module.startswith("grantflow.compat."):
            continue
        foreign = {each.name for each in node.names} - allowed.get(node.module, set())
        assert foreign == set(), f"{node.module}: {foreign}"


def test_what_is_beyond_the_top_level_is_in_the_reference() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "reference.md").read_text("utf-8")
    documented = set(re.findall(r"^\.\. [\w:]+:: (grantflow[\w.]+)", reference, re.MULTILINE))
    for module, names in BEYOND.items():
        assert {f"{module}.{name}" for name in names} <= documented


def test_the_list_has_nothing_idle() -> None:
    used = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    for module, names in BEYOND.items():
        assert f"from {module} import" in used
        for name in names:
            assert not name.startswith("_")
            assert getattr(import_module(module), name) is not None
            assert name in used


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
