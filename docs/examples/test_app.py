"""Tests of ``app.py``. Each plays a whole sign-in, and none of them waits.

pytest test_app.py
"""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import app
import pytest

from grantflow.testing import Loopback, ScriptedServer

pytest_plugins = ["grantflow.testing.fixtures"]


# What takes a TokenSource is given one.


def test_who_signed_in_may_read(grantflow_server: ScriptedServer) -> None:
    assert app.rights(grantflow_server.source) == "Signed in; you may read."


def test_who_said_no_may_nothing(grantflow_server: ScriptedServer) -> None:
    grantflow_server.deny(after=timedelta(seconds=30))
    assert app.rights(grantflow_server.source).startswith("Not signed in: the sign-in was denied")


def test_a_code_runs_out(grantflow_server: ScriptedServer) -> None:
    grantflow_server.expire()
    assert "expired" in app.rights(grantflow_server.source)


def test_a_server_in_trouble_is_waited_for(grantflow_server: ScriptedServer) -> None:
    grantflow_server.approve(after=timedelta(minutes=1))
    grantflow_server.slow_down(times=2)
    grantflow_server.fail(timedelta(seconds=3))
    assert app.rights(grantflow_server.source) == "Signed in; you may read."
    assert grantflow_server.server.counts["slow_down"] == 2


# What takes nothing at all meets the same server: wherever grantflow is given no transport and no
# clock, the fixture's are in force, and files are kept in the test's own folder.


@pytest.fixture
def acme(grantflow_server: ScriptedServer) -> ScriptedServer:
    grantflow_server.plays(app.acme())
    return grantflow_server


def test_the_application_as_it_is(acme: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> None:
    app.main()
    said = capsys.readouterr()
    assert said.out == "Signed in; you may read and write.\n"
    assert f"{acme.issuer}/activate" in said.err  # what the person was shown


def test_the_next_run_asks_nobody(acme: ScriptedServer) -> None:
    app.main()
    acme.clock.advance(timedelta(hours=2))
    app.main()
    assert acme.server.counts == {"device": 1, "poll": 1, "refresh": 1}


# An application in another process needs real HTTP, and a second of patience.


def test_the_application_in_a_process_of_its_own(grantflow_loopback: Loopback) -> None:
    command = [sys.executable, app.__file__, grantflow_loopback.issuer]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == "Signed in; you may read and write.\n"
