"""What comes after the sign-in: refresh, keeping, revocation and introspection at real servers."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from grantflow import (
    Authorized,
    Client,
    DeviceAuthorization,
    Failed,
    FileStore,
    GrantError,
    InteractionRequired,
    RefreshFlow,
    Refused,
    Secret,
    Token,
    TokenSource,
    run,
)
from grantflow.core.acquisition.freshness import Freshness, freshness
from grantflow.core.flows.device import GRANT_TYPE
from grantflow.core.flows.states import Final as Ending
from grantflow.shell.ports import Clock

from .library import (
    WRONG,
    Hurried,
    Wire,
    active,
    client_of,
    introspected,
    refresh_token,
    response,
    revoked,
    signed_in,
    told,
    userinfo,
)
from .servers import RealServer, Start

LATER = Hurried(ahead=timedelta(hours=2))
"""When every token of the shared servers is stale to us."""

DEVICES = pytest.mark.parametrize("purpose", ["device-public", "device-basic"])


def refresh(client: Client, token: Token) -> Ending:
    """One request, whatever the answer: a refresh is not repeated."""
    wire = Wire()
    final = run(RefreshFlow(client, refresh_token(token)), wire)
    assert len(wire.exchanges) == 1
    return final


def refreshed(client: Client, token: Token) -> Token:
    final = refresh(client, token)
    assert isinstance(final, Authorized), final
    return final.token


def refusal(final: object) -> tuple[str, int | None]:
    assert isinstance(final, Failed), final
    assert isinstance(final.error, Refused), final
    return final.error.code, final.error.status


# Refresh (RFC 6749 section 6).


@DEVICES
def test_a_refresh_token_works_once(real_server: RealServer, purpose: str) -> None:
    client = client_of(real_server, purpose)
    first = signed_in(real_server, client)
    before = real_server.stats()
    second = refreshed(client, first)
    assert second.refresh_token not in (None, first.refresh_token)
    assert second.access_token != first.access_token
    assert second.scope == first.scope
    assert userinfo(client, second).status == 200
    assert refusal(refresh(client, first)) == ("invalid_grant", 400)
    seen = real_server.stats().since(before)
    assert seen.grants == {"refresh_token": 2}
    assert seen.errors == Counter(invalid_grant=1)


def test_only_oidc_provider_ends_the_family_of_a_token_that_came_back(
    real_server: RealServer,
) -> None:
    client = client_of(real_server)
    first = signed_in(real_server, client)
    second = refreshed(client, first)
    family = (second.access_token, second.refresh_token)
    assert active(client, *family) == [True, True]
    assert refusal(refresh(client, first)) == ("invalid_grant", 400)
    lives = real_server.name == "authlib"
    assert active(client, *family) == [lives, lives]
    assert userinfo(client, second).status == (200 if lives else 401)
    third = refresh(client, second)
    assert isinstance(third, Authorized) if lives else refusal(third) == ("invalid_grant", 400)


def test_a_refresh_with_a_wrong_secret_spends_nothing(real_server: RealServer) -> None:
    client = client_of(real_server, "device-basic")
    token = signed_in(real_server, client)
    forger = client_of(real_server, "device-basic", secret=WRONG)
    assert refusal(refresh(forger, token)) == ("invalid_client", 401)
    assert userinfo(client, refreshed(client, token)).status == 200


def test_a_refresh_token_is_its_clients_alone(real_server: RealServer) -> None:
    token = signed_in(real_server, client_of(real_server, "device-basic"))
    assert refusal(refresh(client_of(real_server), token)) == ("invalid_grant", 400)


# Kept in a file, renewed in time.


class Process:
    """What a new process starts with: the client and a folder. It counts its own requests."""

    def __init__(
        self,
        server: RealServer,
        client: Client,
        folder: Path,
        grant: Literal["device", "client_credentials"] = "device",
        *,
        clock: Clock | None = None,
        interactive: bool = False,
    ) -> None:
        self.wire = Wire()
        self.asked: list[str] = []
        self.server = server
        self.source = TokenSource(
            client,
            grant,
            store=FileStore(folder),
            transport=self.wire,
            clock=clock,
            prompt=self.prompt,
            interactive=interactive,
        )

    def prompt(self, authorization: DeviceAuthorization) -> None:
        self.asked.append(authorization.user_code)
        self.server.approve(authorization.user_code)

    @property
    def grants(self) -> list[str]:
        """The grants it asked for by now."""
        forms = [dict(exchange.request.form) for exchange in self.wire.exchanges]
        return [str(form["grant_type"]) for form in forms if "grant_type" in form]


def test_a_token_survives_the_process_and_is_renewed_when_it_ends(
    start_server: Start, tmp_path: Path
) -> None:
    with start_server(access_ttl=6, interval=1) as server:
        client = client_of(server)
        before = server.stats()

        first = Process(server, client, tmp_path, clock=Hurried(), interactive=True)
        token = first.source.token()
        assert (len(first.asked), first.grants) == (1, [GRANT_TYPE])
        assert userinfo(client, token).status == 200

        second = Process(server, client, tmp_path)
        assert (second.source.token(), second.grants) == (token, [])

        wait_until_stale(token)
        renewed = second.source.token()
        assert second.grants == ["refresh_token"]
        assert renewed.access_token != token.access_token
        assert userinfo(client, token).status == 401
        assert userinfo(client, renewed).status == 200
        assert second.source.token() == renewed

        # The new refresh token is in the file as well, or the next renewal would end it all.
        third = Process(server, client, tmp_path, clock=LATER)
        last = third.source.token()
        assert third.grants == ["refresh_token"]
        assert userinfo(client, last).status == 200
        seen = server.stats().since(before)
        assert seen.grants == {GRANT_TYPE: 1, "refresh_token": 2}
        assert seen.errors == Counter(invalid_token=1)


def wait_until_stale(token: Token) -> None:
    assert token.expires_at is not None
    time.sleep(max(0.0, (token.expires_at - datetime.now(UTC)).total_seconds()))
    assert freshness(token, datetime.now(UTC)) is Freshness.STALE


def test_a_machine_keeps_its_token_and_asks_again_when_it_ends(
    real_server: RealServer, tmp_path: Path
) -> None:
    client = client_of(real_server, "cc-basic")
    first, second, third = (
        Process(real_server, client, tmp_path, "client_credentials", clock=clock)
        for clock in (None, None, LATER)
    )
    token = first.source.token()
    assert second.source.token() == token
    again = third.source.token()
    assert again.access_token != token.access_token
    assert active(client, token.access_token, again.access_token) == [True, True]
    asked = [process.grants for process in (first, second, third)]
    assert asked == [["client_credentials"], [], ["client_credentials"]]


def test_a_grant_that_was_taken_back_needs_the_person(
    real_server: RealServer, tmp_path: Path
) -> None:
    client = client_of(real_server)
    token = Process(real_server, client, tmp_path, clock=Hurried(), interactive=True).source.token()
    assert revoked(client, refresh_token(token)).status == 200
    alone = Process(real_server, client, tmp_path, clock=LATER)
    with pytest.raises(GrantError) as caught:
        alone.source.token()
    assert isinstance(caught.value.problem, InteractionRequired)
    assert alone.grants == ["refresh_token"]
    assert FileStore(tmp_path).keys() == []
    asks = Process(real_server, client, tmp_path, clock=Hurried(), interactive=True)
    assert userinfo(client, asks.source.token()).status == 200
    assert (len(asks.asked), asks.grants) == (1, [GRANT_TYPE])


def test_a_renewal_with_a_wrong_secret_loses_nothing(
    real_server: RealServer, tmp_path: Path
) -> None:
    client = client_of(real_server, "device-basic")
    Process(real_server, client, tmp_path, clock=Hurried(), interactive=True).source.token()
    forger = client_of(real_server, "device-basic", secret=WRONG)
    wrong = Process(real_server, forger, tmp_path, clock=LATER, interactive=True)
    with pytest.raises(GrantError, match="the server refused: invalid_client") as caught:
        wrong.source.token()
    assert refusal(caught.value.problem) == ("invalid_client", 401)
    assert wrong.asked == []
    right = Process(real_server, client, tmp_path, clock=LATER)
    assert userinfo(client, right.source.token()).status == 200
    assert right.grants == ["refresh_token"]


# Revocation (RFC 7009) and introspection (RFC 7662), as requests of the client.


@DEVICES
@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token"])
def test_a_revoked_refresh_token_takes_the_access_token_with_it(
    real_server: RealServer, purpose: str, hint: str | None
) -> None:
    client = client_of(real_server, purpose)
    token = signed_in(real_server, client)
    both = (token.access_token, token.refresh_token)
    assert active(client, *both) == [True, True]
    assert revoked(client, refresh_token(token), hint).status == 200
    assert active(client, *both) == [False, False]
    assert refusal(refresh(client, token)) == ("invalid_grant", 400)
    answer = userinfo(client, token)
    assert (answer.status, told(answer)["error"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in (answer.header("www-authenticate") or "")
    assert revoked(client, refresh_token(token), hint).status == 200  # it is gone, as was wished


@pytest.mark.parametrize("purpose", ["cc-basic", "cc-post", "odd"])
def test_a_machine_gives_its_token_back(
    real_server: RealServer, tmp_path: Path, purpose: str
) -> None:
    client = client_of(real_server, purpose)
    token = Process(real_server, client, tmp_path, "client_credentials").source.token()
    assert introspected(client, token.access_token)["client_id"] == client.client_id
    assert revoked(client, token.access_token).status == 200
    assert active(client, token.access_token) == [False]


def test_who_may_not_revoke_does_not(real_server: RealServer) -> None:
    client = client_of(real_server, "device-basic")
    token = signed_in(real_server, client)
    forger = client_of(real_server, "device-basic", secret=WRONG)
    answer = revoked(forger, refresh_token(token))
    assert (answer.status, told(answer)["error"]) == (401, "invalid_client")
    # RFC 7009 section 2.1 has the server check the owner; what it then answers, it leaves open.
    other = revoked(client_of(real_server), refresh_token(token))
    assert other.status == {"authlib": 400, "oidc-provider": 200}[real_server.name]
    assert active(client, token.access_token, token.refresh_token) == [True, True]


def test_an_unknown_token_is_revoked_and_inactive(real_server: RealServer) -> None:
    client = client_of(real_server, "cc-basic")
    assert revoked(client, Secret("never-issued")).status == 200
    assert introspected(client, Secret("never-issued")) == {"active": False}


def test_introspection_wants_the_client_too(real_server: RealServer) -> None:
    forger = client_of(real_server, "cc-basic", secret=WRONG)
    url = forger.provider.introspection_endpoint or ""
    answer = response(Wire()(forger.request(url, (("token", Secret("never-issued")),))))
    assert (answer.status, told(answer)["error"]) == (401, "invalid_client")
