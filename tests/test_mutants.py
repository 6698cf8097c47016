"""Broken on purpose, the machine is caught: each mutant dies in the tests named beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "grantflow"

COUNT = "            faults = state.faults + 1\n"
TIRED = "                return Failed(Unreachable(fault, faults, pause))\n"
WISH = "            wish = max(pause"
FINAL = "            case Authorized() | Expired() | Failed():\n                "
NEVER = "\n            case _:\n                assert_never(state)\n\n    def _ask"
PENDING = '        case Refused(code="authorization_pending"):'

MUTANTS = {
    "a poll at expiry": (
        "core/pacing.py",
        "return due if deadline is None or due < deadline else None",
        "return due if deadline is None or due <= deadline else None",
        "space.py",
    ),
    "the last legal poll is skipped": (
        "core/pacing.py",
        "due < deadline else None",
        "due < deadline - SECOND else None",
        "space.py",
    ),
    "backoff does not yield to the last legal poll": (
        "core/pacing.py",
        "at + wish if deadline is None else min(at + wish, deadline - SECOND)",
        "at + wish",
        "space.py",
    ),
    "backoff undercuts the interval": (
        "core/pacing.py",
        "Instant(max(at + interval, wanted))",
        "Instant(wanted)",
        "space.py",
    ),
    "the interval is not sticky": (
        "core/device.py",
        "return SlowDown(code, longer, after, polls, 0, state.deadline)",
        "return SlowDown(code, state.interval, after, polls, 0, state.deadline)",
        "space.py",
    ),
    "slow_down adds 4 s": (
        "core/pacing.py",
        "SLOWER_BY: Final = timedelta(seconds=5)",
        "SLOWER_BY: Final = timedelta(seconds=4)",
        "space.py",
    ),
    "a nonce is forgotten": (
        "core/nonces.py",
        "nonce=brought or known)",
        "nonce=brought)",
        "space.py",
    ),
    "a server that wants nonces is asked for ever": (
        "core/device.py",
        "                return Failed(NEVER_CONTENT)",
        "                pass",
        "space.py",
    ),
    "an exchange is sent twice": (
        "core/exchange.py",
        "grant.stepped(alone, event, backoff, twice=False)",
        "grant.stepped(alone, event, backoff, twice=True)",
        "space.py",
    ),
    "the server's larger interval is ignored": (
        "core/pacing.py",
        "max(interval + SLOWER_BY, asked or timedelta())",
        "interval + SLOWER_BY",
        "space.py",
    ),
    "a poll before the first interval": (
        "core/device.py",
        "first = legal(at, interval, interval,",
        "first = legal(at, SECOND, SECOND,",
        "space.py",
    ),
    "an interval under a second": (
        "core/device.py",
        "interval = max(code.interval, SECOND)",
        "interval = code.interval",
        "space.py",
    ),
    "one try too many": (
        "core/device.py",
        COUNT + "            if faults >= backoff.tries:\n" + TIRED + WISH,
        COUNT + "            if faults > backoff.tries:\n" + TIRED + WISH,
        "space.py",
    ),
    "a retry of a spent refresh": (
        "core/refresh.py",
        "twice=False",
        "twice=True",
        "space.py",
    ),
    "a final state that listens": (
        "core/device.py",
        FINAL + "return state" + NEVER,
        FINAL + "return Failed(Cancelled())" + NEVER,
        "space.py",
    ),
    "retry-after ignored by a grant": (
        "core/grant.py",
        "law = max(longer, pause or timedelta())",
        "law = longer",
        "space.py",
    ),
    "faults are not forgotten after an answer": (
        "core/device.py",
        "return Pending(code, state.interval, after, polls, 0, state.deadline)",
        "return Pending(code, state.interval, after, polls, state.faults, state.deadline)",
        "space.py",
    ),
    "status before code": (
        "core/wire.py",
        "    match answer.refused:\n" + PENDING,
        "    match None if reply.status >= 500 else answer.refused:\n" + PENDING,
        "test_wire.py",
    ),
    "an unreadable 200 is polled again": (
        "core/wire.py",
        "case str() as problem if reply.status == 200:",
        "case str() as problem if reply.status == 201:",
        "test_wire.py",
    ),
    "a refused refresh token is lost": (
        "core/refresh.py",
        "if isinstance(event, TokenIssued) and event.token.refresh_token is None:",
        "if isinstance(event, TokenIssued) and event.token.refresh_token == self.refresh_token:",
        "test_wire.py",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_dies(name: str, tmp_path: Path) -> None:
    file, old, new, killer = MUTANTS[name]
    shutil.copytree(SOURCE, tmp_path / "grantflow", ignore=shutil.ignore_patterns("__pycache__"))
    mutated = tmp_path / "grantflow" / file
    text = mutated.read_text()
    assert text.count(old) == 1, "the mutant's place is gone: name another one"
    mutated.write_text(text.replace(old, new))
    paths = os.pathsep.join([str(tmp_path), str(TESTS)])
    check = "import grantflow, pathlib, sys; sys.exit(str(grantflow.__file__) != sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    where = str(tmp_path / "grantflow" / "__init__.py")
    subprocess.run([sys.executable, "-c", check, where], env=environment, check=True)
    by_pytest = ["-m", "pytest", "-xq", "-p", "no:cacheprovider"] if "test_" in killer else []
    ended = subprocess.run(
        [sys.executable, *by_pytest, str(TESTS / killer)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said[-2000:]
    assert "-->" in said or "1 failed" in said, said[-2000:]
