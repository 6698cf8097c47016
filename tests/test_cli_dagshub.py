"""``grantflow login dagshub``: a token made by hand, or a link and a request that is held open."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from cli_stage import Stage
from grantflow import Request, Response
from grantflow.cli.commands import login
from grantflow.cli.invite import Invite
from grantflow.cli.live import Live

LOGIN = ("login", "dagshub")  # as the client of DagsHub itself


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


@pytest.fixture
def asked(stage: Stage) -> list[Request]:
    requests: list[Request] = []

    def dagshub(request: Request) -> Response:
        requests.append(request)
        if request.url == "https://dagshub.com/login/oauth/middleman":
            return Response(200, {}, b'"the-code"')
        assert request.url == "https://dagshub.com/login/oauth/access_token"
        body = b'{"access_token": "oauth-token-1", "expiry": "2026-01-02T00:00:00.123456789Z"}'
        return Response(200, {}, body)

    stage.answers_with(dagshub)
    return requests


def test_a_token_made_by_hand_is_stored(stage: Stage, asked: list[Request]) -> None:
    ran = stage.run("login", "dagshub", "--token-stdin", stdin="app-token-1\n")
    assert (ran.code, ran.out) == (0, "")
    assert "app-token-1" not in ran.err
    assert stage.run("token", "dagshub").out == "app-token-1\n"
    assert asked == []


def test_a_person_is_given_a_link_once(stage: Stage, asked: list[Request]) -> None:
    ran = stage.run(*LOGIN)
    assert (ran.code, ran.out) == (0, "")
    (link,) = [each.strip() for each in ran.err.splitlines() if "https://" in each]
    shown = {name: texts[0] for name, texts in parse_qs(urlsplit(link).query).items()}
    assert link.startswith("https://dagshub.com/login/oauth/authorize?")
    assert parse_qs(asked[0].body().decode()) == {"request_id": [shown["middleman_request_id"]]}
    assert parse_qs(asked[1].body().decode())["state"] == [shown["state"]]
    assert "code:" not in ran.err
    assert "oauth-token-1" not in ran.err
    assert stage.run("token").out == "oauth-token-1\n"
    assert len(asked) == 2


def test_so_is_a_program(stage: Stage, asked: list[Request]) -> None:
    ran = stage.run(*LOGIN, "--json")
    assert ran.kinds.count("code_issued") == 1
    assert ran.kinds[-1] == "authorized"


def test_so_is_a_terminal(
    stage: Stage, asked: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[object] = []
    monkeypatch.setattr(Invite, "__call__", lambda self, code: shown.append(code))
    monkeypatch.setattr(login, "screen", Live)
    assert stage.run(*LOGIN).code == 0
    assert len(shown) == 1
