"""Real servers as fixtures."""

import os
from collections.abc import Iterator
from typing import cast

import pytest

from .servers import (
    RealServer,
    Start,
    missing_authlib,
    missing_oidc_provider,
    start_authlib,
    start_oidc_provider,
)

BOTH = ("authlib", pytest.param("oidc-provider", marks=pytest.mark.interop))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "interop: talks to a real server that is installed by name (install.sh)"
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and "needs_oidc_provider" in item.fixturenames:
        item.add_marker(pytest.mark.interop)


def demand(reason: str | None) -> None:
    """Skip for a reason; fail for it where GRANTFLOW_INTEROP=required."""
    if reason is None:
        return
    if os.environ.get("GRANTFLOW_INTEROP") == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def needs_oidc_provider() -> None:
    """For tests that start oidc-provider themselves."""
    demand(missing_oidc_provider())


@pytest.fixture(scope="session")
def authlib_server() -> Iterator[RealServer]:
    """Authlib's server, polled every second, shared by the whole session."""
    if reason := missing_authlib():
        pytest.fail(reason, pytrace=False)
    with start_authlib() as server:
        yield server


@pytest.fixture(scope="session")
def oidc_provider(needs_oidc_provider: None) -> Iterator[RealServer]:
    """oidc-provider as it is: no interval and no slow_down. Shared by the whole session."""
    with start_oidc_provider() as server:
        yield server


@pytest.fixture(scope="session", params=BOTH)
def real_server(request: pytest.FixtureRequest) -> RealServer:
    """Each server in its turn."""
    name = {"authlib": "authlib_server", "oidc-provider": "oidc_provider"}[request.param]
    return cast("RealServer", request.getfixturevalue(name))


@pytest.fixture(params=BOTH)
def start_server(request: pytest.FixtureRequest) -> Start:
    """For a test with settings of its own: `with start_server(device_ttl=3) as server`."""
    if request.param == "authlib":
        return start_authlib
    request.getfixturevalue("needs_oidc_provider")
    return start_oidc_provider
