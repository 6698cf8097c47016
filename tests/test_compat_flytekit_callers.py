"""flytekit's authenticators: their scenarios, by what stands in for them here.

F9, F19, F22, F23 and the class part of F20 are PKCE, Flyte's own metadata service and its table of
plug-ins: this library has none of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from keyring.backends import fail
from keyring.errors import KeyringLocked
from returns.io import IOSuccess

from grantflow import (
    Client,
    ClientSecretBasic,
    DeviceAuthorization,
    Provider,
    Token,
    TokenSource,
)
from grantflow.compat.flytekit import get_device_code
from grantflow.shell.commands import SecretError, from_command
from grantflow.shell.ports import StoreError
from grantflow.shell.stores import KeyringStore, MemoryStore
from grantflow.testing import Loopback, Outage, Script, VirtualClock, serve
from keyring_fake import DictKeyring
from values import reply, seconds
from wire_stage import TOKEN, wired

ENDED = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def loopback(clock: VirtualClock) -> Iterator[Loopback]:
    with serve(Script(approve_after=seconds(7)), clock=clock) as found:
        yield found


def source_of(
    server: Loopback,
    clock: VirtualClock,
    store: MemoryStore | KeyringStore,
    asked: list[DeviceAuthorization],
) -> TokenSource:
    client = Client(provider=server.provider, client_id="app", scope="all")
    return TokenSource(client, store=store, clock=clock, prompt=asked.append)


def test_f10_a_command_that_prints_a_token() -> None:
    acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    client = Client(provider=acme, client_id="app")
    with pytest.raises(ValueError, match="the words of a command are needed"):
        from_command([])
    prints = from_command([sys.executable, "-c", "print('from-a-command')"])
    source = TokenSource(client, "client_credentials", store=MemoryStore(), token=prints)
    assert source.token().access_token.reveal() == "from-a-command"
    fails = from_command([sys.executable, "-c", "print('s3cret'); raise SystemExit(3)"])
    with pytest.raises(SecretError, match="ended with status 3") as caught:
        fails()
    assert "s3cret" not in str(caught.value)


def test_f11_the_caller_s_scopes(clock: VirtualClock) -> None:
    with wired(TOKEN) as wire:
        provider = Provider(name="flyte", token_endpoint=wire.url)
        client = Client(
            provider=provider,
            client_id="machine",
            authentication=ClientSecretBasic("s3cret", encoding="plus"),
            scope=("mine",),
        )
        source = TokenSource(client, "client_credentials", store=MemoryStore(), clock=clock)
        assert source.token().access_token.reveal() == "at-1"
        assert source.token().access_token.reveal() == "at-1"
    (asked,) = wire.asked  # the second time it was at hand: flytekit asks each time
    assert asked.form["scope"] == "mine"
    assert asked.headers["authorization"] == "Basic bWFjaGluZTpzM2NyZXQ="


def test_f13_no_endpoint_is_known() -> None:
    with pytest.raises(ValueError, match="device_authorization_endpoint: must be an absolute"):
        get_device_code("", "app")


def test_f14_a_refresh_is_refused(loopback: Loopback, clock: VirtualClock) -> None:
    store, asked = MemoryStore(), list[DeviceAuthorization]()
    source = source_of(loopback, clock, store, asked)
    store.save(source.key, Token(access_token="old", refresh_token="gone", expires_at=ENDED))
    token = source.token()
    assert len(asked) == 1
    assert loopback.server.counts == {"refresh": 1, "device": 1, "poll": 2}
    assert store.read(source.key) == token
    assert "no longer valid" in source.notes[0]


def test_f15_a_refresh_works(loopback: Loopback, clock: VirtualClock) -> None:
    store, asked = MemoryStore(), list[DeviceAuthorization]()
    first = source_of(loopback, clock, store, asked).token()
    clock.advance(seconds(4000))
    second = source_of(loopback, clock, store, asked).token()
    assert first.access_token != second.access_token
    assert len(asked) == 1
    assert loopback.server.counts["device"] == 1


def test_f16_a_refresh_that_fails_deletes_nothing(clock: VirtualClock) -> None:
    for trouble in (reply(500, b"<html>"), reply(200, b"<html>"), reply(403, b"no")):
        outage = Outage(seconds(0), seconds(10_000), trouble)
        with serve(Script(outages=(outage,)), clock=VirtualClock()) as loopback:
            store, asked = MemoryStore(), list[DeviceAuthorization]()
            source = source_of(loopback, clock, store, asked)
            old = Token(access_token="old", refresh_token="good", expires_at=ENDED)
            store.save(source.key, old)
            assert not isinstance(source.obtain(), IOSuccess)
            assert store.read(source.key) == old
            assert asked == []


def test_f17_a_keyring(loopback: Loopback, clock: VirtualClock) -> None:
    ring, asked = DictKeyring(), list[DeviceAuthorization]()
    store = KeyringStore(backend=ring)
    token = source_of(loopback, clock, store, asked).token()
    source = source_of(loopback, clock, store, asked)
    assert source.token() == token
    assert len(asked) == 1
    source.forget(revoke=False)
    assert store.read(source.key) is None
    assert source.token() != token
    assert len(asked) == 2


def test_f17_no_keyring() -> None:
    """Said at once, by name: a caller that names another store goes on."""
    with pytest.raises(StoreError, match="keyring"):
        KeyringStore(backend=fail.Keyring())


def test_f18_a_keyring_that_is_broken(loopback: Loopback, clock: VirtualClock) -> None:
    class Broken(DictKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            raise KeyringLocked("the person closed the window")

        def set_password(self, service: str, username: str, password: str) -> None:
            raise KeyringLocked("the person closed the window")

    asked = list[DeviceAuthorization]()
    source = source_of(loopback, clock, KeyringStore(backend=Broken()), asked)
    assert loopback.requests == 0  # nothing happens before it is needed
    assert source.token().access_token.reveal().startswith("at-")
    assert len(asked) == 1
    assert any("could not be saved" in note for note in source.notes)
