"""Broken on purpose, the machine is caught: each mutant dies of what is named beside it.

That is one exploration of the state space, or one test.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mutated import NEVER_SEEN

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "grantflow"
RUNNER = TESTS / "mutated.py"

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
        "client_credentials",
    ),
    "the last legal poll is skipped": (
        "core/pacing.py",
        "due < deadline else None",
        "due < deadline - SECOND else None",
        "device",
    ),
    "backoff does not yield to the last legal poll": (
        "core/pacing.py",
        "at + wish if deadline is None else min(at + wish, deadline - SECOND)",
        "at + wish",
        "device",
    ),
    "backoff undercuts the interval": (
        "core/pacing.py",
        "Instant(max(at + interval, wanted))",
        "Instant(wanted)",
        "client_credentials",
    ),
    "the interval is not sticky": (
        "core/device.py",
        "return SlowDown(code, longer, after, polls, 0, state.deadline)",
        "return SlowDown(code, state.interval, after, polls, 0, state.deadline)",
        "device",
    ),
    "slow_down adds 4 s": (
        "core/pacing.py",
        "SLOWER_BY: Final = timedelta(seconds=5)",
        "SLOWER_BY: Final = timedelta(seconds=4)",
        "client_credentials",
    ),
    "a nonce is forgotten": (
        "core/nonces.py",
        "nonce=brought or known)",
        "nonce=brought)",
        "exchange",
    ),
    "a server that wants nonces is asked for ever": (
        "core/device.py",
        "                return Failed(NEVER_CONTENT)",
        "                pass",
        "device",
    ),
    "an exchange is sent twice": (
        "core/exchange.py",
        "grant.stepped(alone, event, backoff, twice=False)",
        "grant.stepped(alone, event, backoff, twice=True)",
        "exchange",
    ),
    "the server's larger interval is ignored": (
        "core/pacing.py",
        "max(interval + SLOWER_BY, asked or timedelta())",
        "interval + SLOWER_BY",
        "client_credentials",
    ),
    "a poll before the first interval": (
        "core/device.py",
        "first = legal(at, interval, interval,",
        "first = legal(at, SECOND, SECOND,",
        "device",
    ),
    "an interval under a second": (
        "core/device.py",
        "interval = max(code.interval, SECOND)",
        "interval = code.interval",
        "device",
    ),
    "one try too many": (
        "core/device.py",
        COUNT + "            if faults >= backoff.tries:\n" + TIRED + WISH,
        COUNT + "            if faults > backoff.tries:\n" + TIRED + WISH,
        "device",
    ),
    "a retry of a spent refresh": (
        "core/refresh.py",
        "twice=False",
        "twice=True",
        "refresh",
    ),
    "a final state that listens": (
        "core/device.py",
        FINAL + "return state" + NEVER,
        FINAL + "return Failed(Cancelled())" + NEVER,
        "exchange",
    ),
    "retry-after ignored by a grant": (
        "core/grant.py",
        "law = max(longer, pause or timedelta())",
        "law = longer",
        "client_credentials",
    ),
    "faults are not forgotten after an answer": (
        "core/device.py",
        "return Pending(code, state.interval, after, polls, 0, state.deadline)",
        "return Pending(code, state.interval, after, polls, state.faults, state.deadline)",
        "device",
    ),
    "status before code": (
        "core/wire.py",
        "    match answer.refused:\n" + PENDING,
        "    match None if reply.status >= 500 else answer.refused:\n" + PENDING,
        "test_wire.py::test_the_code_outranks_the_status",
    ),
    "an unreadable 200 is polled again": (
        "core/wire.py",
        "case str() as problem if reply.status == 200:",
        "case str() as problem if reply.status == 201:",
        "test_wire.py::test_an_unreadable_200_is_final",
    ),
    "a refused refresh token is lost": (
        "core/refresh.py",
        "if isinstance(event, TokenIssued) and event.token.refresh_token is None:",
        "if isinstance(event, TokenIssued) and event.token.refresh_token == self.refresh_token:",
        "test_wire.py::test_an_empty_refresh_token_counts_as_missing",
    ),
}


def killed(file: str, text: str, killer: str, folder: Path) -> tuple[int, str]:
    """Run the killer with ``text`` as this file of the source; return its status and its words."""
    instead = folder / Path(file).name
    instead.write_text(text, encoding="utf-8")
    module = "grantflow." + file.removesuffix(".py").replace("/", ".")
    where = f"{TESTS / killer}" if "::" in killer else killer
    inherited = {key: each for key, each in os.environ.items() if not key.startswith("PYTEST_")}
    ended = subprocess.run(
        [sys.executable, str(RUNNER), module, str(instead), where],
        env={**inherited, "PYTHONPATH": str(TESTS)},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_dies(name: str, tmp_path: Path) -> None:
    file, old, new, killer = MUTANTS[name]
    text = (SOURCE / file).read_text(encoding="utf-8")
    assert text.count(old) == 1, "the mutant's place is gone: name another one"
    code, said = killed(file, text.replace(old, new), killer, tmp_path)
    assert code == 1, said[-2000:]
    assert "-->" in said or "1 failed" in said, said[-2000:]


@pytest.mark.parametrize("killer", ["exchange", "test_wire.py::test_a_code_is_read"])
def test_one_that_changes_nothing_lives(killer: str, tmp_path: Path) -> None:
    text = (SOURCE / "core" / "wire.py").read_text(encoding="utf-8")
    code, said = killed("core/wire.py", text + "# the same\n", killer, tmp_path)
    assert code == 0, said[-2000:]


def test_one_that_nobody_imports_is_told_from_one_that_lives(tmp_path: Path) -> None:
    code, said = killed("shell/timer.py", "1 / 0\n", "exchange", tmp_path)
    assert code == NEVER_SEEN, said[-2000:]
