"""Token objects as DagsHub's own callers use them: on requests, in files, in other processes."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import requests

from grantflow import Secret
from grantflow.compat import dagshub as auth
from grantflow.compat.dagshub import tokens
from grantflow.compat.dagshub.config import quiet
from grantflow.compat.dagshub.token_auth import (
    AppDagshubToken,
    DagshubAuthenticator,
    DagshubTokenABC,
    EnvVarDagshubToken,
    HTTPBearerAuth,
    OAuthDagshubToken,
    TokenDeserializationError,
)
from tests.support.compat_wire import Says
from tests.support.dagshub_stage import USER, DagsHub, dagshub

END = datetime(2099, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsHub]:
    with dagshub() as made:
        monkeypatch.setenv("DAGSHUB_CLIENT_HOST", made.url)
        monkeypatch.setenv("DAGSHUB_CLIENT_TOKENS_CACHE", str(tmp_path / "tokens"))
        monkeypatch.delenv("DAGSHUB_USER_TOKEN", raising=False)
        yield made


TOKENS = [
    AppDagshubToken("good-token"),
    OAuthDagshubToken("good-token", END),
    EnvVarDagshubToken("good-token", "https://dagshub.com"),
]


@pytest.mark.parametrize("token", [*TOKENS, HTTPBearerAuth("good-token")])
def test_a_token_is_an_auth(token: DagshubTokenABC | HTTPBearerAuth, hub: DagsHub) -> None:
    assert httpx.get(hub.cats, auth=token).status_code == 200
    assert requests.get(hub.cats, auth=token, timeout=5).status_code == 200


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_says_what_it_is(token: DagshubTokenABC) -> None:
    assert token.token_value == token.token_text == "good-token"
    assert not token.is_expired
    assert "good-token" not in repr(token)
    again = pickle.loads(pickle.dumps(token))
    assert again == token
    assert type(again) is type(token)


def test_a_token_is_an_entry_of_the_file() -> None:
    app, oauth, given = TOKENS
    assert app.serialize() == {
        "access_token": "good-token",
        "expiry": "never",
        "token_type": "app-token",
    }
    assert oauth.serialize()["expiry"] == "2099-01-02T03:04:05.678901Z"
    assert AppDagshubToken.deserialize(app.serialize()) == app
    assert OAuthDagshubToken.deserialize(oauth.serialize()) == oauth
    assert OAuthDagshubToken.deserialize(app.serialize()).expiry_date.year == 9999
    with pytest.raises(TokenDeserializationError):
        OAuthDagshubToken.deserialize(oauth.serialize() | {"expiry": "soon"})
    with pytest.raises(KeyError, match="access_token"):
        AppDagshubToken.deserialize({})
    with pytest.raises(RuntimeError):
        given.serialize()
    with pytest.raises(RuntimeError):
        EnvVarDagshubToken.deserialize({})


def test_the_token_of_the_environment_is_for_the_configured_host(hub: DagsHub) -> None:
    assert EnvVarDagshubToken("t").host == hub.url
    assert EnvVarDagshubToken("t", "https://DagsHub.com/").host == "https://dagshub.com"


def test_bearers_are_compared_and_not_shown() -> None:
    one = HTTPBearerAuth("secret-a")
    assert one == HTTPBearerAuth("secret-a")
    assert len({one, HTTPBearerAuth("secret-a"), HTTPBearerAuth("secret-b")}) == 2
    assert one != "secret-a"
    assert one.token == "secret-a"
    assert "secret-a" not in repr(vars(one))
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(ValueError, match="can't be empty"):
        HTTPBearerAuth("")


@pytest.mark.parametrize("given", ["class", "instance"])
def test_a_token_is_judged_by_the_class_too(given: str, hub: DagsHub, tmp_path: Path) -> None:
    judge = auth.TokenStorage if given == "class" else auth.TokenStorage(tmp_path / "tokens")
    good = ("good-token", Secret("good-token"), TOKENS[0], HTTPBearerAuth("good-token"))
    assert [judge.is_valid_token(each, hub.url) for each in good] == [True] * 4
    assert not judge.is_valid_token("bad-token", hub.url)
    user = judge.get_username_of_token("good-token", hub.url)
    assert user is not None
    assert (user["username"], user["login"], user["id"]) == ("alice", "alice", 1)
    assert judge.get_username_of_token("bad-token", hub.url) is None
    hub.wire.script(USER, [Says(503)])
    with pytest.raises(auth.UncheckedTokenError):
        judge.is_valid_token("good-token", hub.url)


def test_an_authenticator_is_judged(hub: DagsHub) -> None:
    auth.add_app_token("good-token")
    made = auth.get_authenticator()
    assert isinstance(made, DagshubAuthenticator)
    assert auth.TokenStorage.is_valid_token(made, hub.url)


def test_keywords_that_are_not_known_are_ignored(
    hub: DagsHub, caplog: pytest.LogCaptureFixture
) -> None:
    """The documented signature is ``get_token(**kwargs)``."""
    auth.add_app_token("good-token", quiet=True)
    assert tokens.get_token(host=None, fail_if_no_token=None, quiet=True) == "good-token"
    assert tokens.get_token_object(quiet=True).token_text == "good-token"
    assert tokens.get_authenticator(quiet=True).token_text == "good-token"
    with caplog.at_level(logging.WARNING, "grantflow"):
        storage = auth.TokenStorage(host=hub.url)
    assert "not known, and ignored: host" in caplog.text
    for method in (storage.get_token, storage.get_token_object, storage.get_authenticator):
        caplog.clear()
        assert method(hub.url, sound="off")
        assert caplog.text.count("not known, and ignored: sound") == 1


@pytest.mark.parametrize(
    ("value", "silent"), [("1", True), ("Yes", True), ("no", False), ("off", False), ("", False)]
)
def test_quiet_is_what_the_original_takes_for_it(
    value: str, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSHUB_QUIET", value)
    assert quiet() is silent
