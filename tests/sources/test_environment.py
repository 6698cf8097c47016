"""What the environment says: the data directory, tokens and secrets."""

from __future__ import annotations

import sys
from pathlib import Path

import platformdirs
import pytest

from grantflow import StoreError
from grantflow.shell.environment import client_secret_given, data_folder, home, token_given

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, platformdirs decides")


@LINUX
@pytest.mark.parametrize("data", [None, "", " ", "/data", "/data/", "relative", "~/data"])
@pytest.mark.parametrize("user", ["/home/alice", "/", "/home/alice/"])
def test_the_folder_is_platformdirs_one(
    monkeypatch: pytest.MonkeyPatch, data: str | None, user: str
) -> None:
    monkeypatch.delenv("GRANTFLOW_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", user)
    if data is not None:
        monkeypatch.setenv("XDG_DATA_HOME", data)
    assert home() == platformdirs.user_data_path("grantflow", appauthor=False)
    assert str(home()) == str(Path(data_folder()))


def test_a_folder_that_is_named_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRANTFLOW_HOME", "/srv/gf; home")
    assert data_folder() == "/srv/gf; home"
    monkeypatch.setenv("HOME", "/home/alice")
    monkeypatch.setenv("GRANTFLOW_HOME", "~/gf")
    assert Path(data_folder()) == Path("~/gf").expanduser()


@LINUX
@pytest.mark.parametrize("named", [None, "~/gf", "~nobody-of-this-name/gf"])
def test_without_a_home_directory_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    import pwd

    def unknown(_: object) -> object:
        raise KeyError("uid not found")

    for name in ("HOME", "XDG_DATA_HOME", "GRANTFLOW_HOME"):
        monkeypatch.delenv(name, raising=False)
    if named is not None:
        monkeypatch.setenv("GRANTFLOW_HOME", named)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(StoreError, match="set HOME, or GRANTFLOW_HOME"):
        data_folder()


def test_a_secret_is_taken_without_the_blanks_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", " s3cret\r\n")
    monkeypatch.setenv("GRANTFLOW_TOKEN_CI", "at-1\n")
    monkeypatch.delenv("GRANTFLOW_TOKEN", raising=False)
    secret, token = client_secret_given(), token_given("ci")
    assert secret is not None
    assert token is not None
    assert (secret.reveal(), token.reveal()) == ("s3cret", "at-1")
    monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", " \n")
    assert client_secret_given() is None
