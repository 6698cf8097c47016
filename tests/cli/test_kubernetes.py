"""``grantflow token --format kubernetes``: what client-go reads from an exec plugin."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grantflow.core.values.json import Members
from grantflow.core.values.parsing import expiry
from grantflow.testing import Script
from tests.support.cli_stage import Stage

HOUR = timedelta(hours=1)
GROUP = "client.authentication.k8s.io"


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    monkeypatch.delenv("KUBERNETES_EXEC_INFO", raising=False)
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def access_token(stage: Stage) -> str:
    [token] = stage.tokens()
    return str(token["access_token"])


def asks(stage: Stage, info: object) -> None:
    """Ask as client-go does."""
    text = info if isinstance(info, str) else json.dumps(info)
    stage.monkeypatch.setenv("KUBERNETES_EXEC_INFO", text)


def info(version: str = "v1", *, interactive: bool = False) -> dict[str, object]:
    return {
        "kind": "ExecCredential",
        "apiVersion": f"{GROUP}/{version}",
        "spec": {"interactive": interactive},
    }


RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def valid(text: str) -> dict[str, str]:
    """Hold an answer against the type ``ExecCredential``, and return its status."""
    found = json.loads(text)
    assert set(found) == {"apiVersion", "kind", "status"}
    assert found["kind"] == "ExecCredential"
    assert found["apiVersion"] in (f"{GROUP}/v1", f"{GROUP}/v1beta1")
    status: dict[str, str] = found["status"]
    assert set(status) <= {
        *("token", "expirationTimestamp", "clientCertificateData", "clientKeyData"),
    }
    assert all(isinstance(value, str) and value for value in status.values())
    if "expirationTimestamp" in status:
        assert RFC_3339.fullmatch(status["expirationTimestamp"])
    return status


def test_the_answer_is_an_exec_credential(stage: Stage) -> None:
    stage.login()
    ran = stage.run("token", "--format", "kubernetes")
    assert (ran.code, ran.err) == (0, "")
    assert valid(ran.out) == {
        "token": access_token(stage),
        "expirationTimestamp": "2026-01-01T01:00:15Z",
    }


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_the_answer_has_the_version_that_was_asked_for(stage: Stage, version: str) -> None:
    stage.login()
    asks(stage, info(version))
    ran = stage.run("token", "--format", "kubernetes")
    assert json.loads(ran.out)["apiVersion"] == f"{GROUP}/{version}"
    assert valid(ran.out)["token"] == access_token(stage)


def test_an_end_is_never_said_to_be_later_than_it_is(stage: Stage) -> None:
    stage.login()
    stage.rewrites_token(expires_at="2026-01-01T02:00:15.999999+01:00")
    said = valid(stage.run("token", "--format", "kubernetes").out)["expirationTimestamp"]
    assert datetime.fromisoformat(said) == datetime(2026, 1, 1, 1, 0, 15, tzinfo=UTC)


@pytest.mark.parametrize("end", ["9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59+00:00"])
def test_an_end_beyond_the_calendar_is_met(stage: Stage, end: str) -> None:
    """A server may say so: in UTC, the first of them has no date."""
    at = expiry(Members({"expires_at": end}), datetime(2026, 1, 1, tzinfo=UTC))
    assert at is not None
    stage.login()
    stage.rewrites_token(expires_at=at.isoformat())
    said = valid(stage.run("token", "--format", "kubernetes").out)["expirationTimestamp"]
    assert said.startswith("9999-12-3")


def test_a_token_without_an_end_has_no_timestamp(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), token_lifetime=None))
    stage.login()
    assert set(valid(stage.run("token", "--format", "kubernetes").out)) == {"token"}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        (info("v1alpha1"), "asks for apiVersion 'client.authentication.k8s.io/v1alpha1'; in the"),
        ({}, "asks for apiVersion None"),
        ({"apiVersion": ["\x1b[31m"]}, "asks for apiVersion"),
    ],
)
def test_a_question_that_is_none_is_usage(stage: Stage, text: object, hint: str) -> None:
    stage.login()
    asks(stage, text)
    ran = stage.run("token", "--format", "kubernetes")
    assert ran.code == 2
    assert f"KUBERNETES_EXEC_INFO {hint}" in ran.complaint()
    assert "\x1b" not in ran.err


@pytest.mark.parametrize(("interactive", "code"), [(True, 0), (False, 3)])
def test_a_person_is_asked_only_where_the_caller_says_so(
    stage: Stage, interactive: bool, code: int
) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    stage.login()
    stage.clock.advance(HOUR)
    asks(stage, info(interactive=interactive))
    ran = stage.run("token", "--format", "kubernetes", terminal=True)
    assert ran.code == code
    assert stage.run("token", "--format", "kubernetes", "--no-input", terminal=True).code == code


def test_other_formats_do_not_care(stage: Stage) -> None:
    stage.login()
    asks(stage, "{")
    assert stage.run("token", "--format", "json").code == 0
