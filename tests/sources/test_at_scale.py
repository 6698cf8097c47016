"""The page about scale: what it claims holds at a small size, and its numbers are the program's."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
PAGE = DOCS / "scale.md"
PLOT = DOCS / "pictures" / "fleet.svg"

FLOWS = 2_000
SIZE = 150
MINUTE = timedelta(minutes=1)

ALONE = "each alone, without windows and jitter"
TOGETHER = "each alone, without jitter"
WINDOWS = "each alone, as the library does"
FILE = "a `FileStore` for 50 on each machine"
REDIS = "one `RedisStore`"
REDIS_TOGETHER = "one `RedisStore`, without jitter"
REDIS_DOWN = "one `RedisStore` that is down"


@pytest.fixture(scope="module")
def at_scale() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        yield importlib.import_module("at_scale")
    for path in EXAMPLES.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture(scope="module")
def crowd(at_scale: ModuleType) -> Callable[[int], Any]:
    """Plays a case of the crowd, by its place on the page."""

    @cache
    def played(number: int) -> object:
        case = at_scale.crowd.cases(FLOWS)[number]
        return at_scale.crowd.played(case, FLOWS, at_scale.crowd.Counted(case.backoff))

    return played


@pytest.fixture(scope="module")
def fleet(at_scale: ModuleType) -> Callable[..., Any]:
    """Plays a case of the fleet, by its name and the trouble for a minute."""
    cases = {case.name: case for case in at_scale.fleet.CASES}

    @cache
    def played(name: str, trouble: str | None = None) -> object:
        case = cases[name]
        outages = () if trouble is None else at_scale.TROUBLE[trouble](case.begins, MINUTE)
        return at_scale.fleet.played(case, SIZE, outages)

    return played


@pytest.mark.parametrize("number", range(5))
def test_the_server_that_counts_counts_what_the_one_that_answers_gets(
    at_scale: ModuleType, number: int
) -> None:
    module, flows = at_scale.crowd, 100
    case = module.cases(flows)[number]
    counted = module.played(case, flows, module.Counted(case.backoff))
    assert counted == module.played(case, flows, module.Played(case.backoff))
    assert counted.total > flows


def test_a_crowd_that_begins_in_one_instant_stays_together(crowd: Callable[[int], Any]) -> None:
    together, spread = crowd(0), crowd(1)
    assert together.peak() == FLOWS
    assert together.peak(30) > 0.6 * FLOWS
    assert spread.peak() < 0.15 * FLOWS
    assert together.ends == spread.ends == {"Authorized": FLOWS}


def test_slow_down_makes_a_crowd_slower_and_spreads_it(crowd: Callable[[int], Any]) -> None:
    assert crowd(2).total < 0.7 * crowd(0).total
    assert crowd(2).peak(30) < 0.2 * FLOWS
    assert crowd(2).lateness < 4 * crowd(0).lateness


def test_a_server_that_is_down_makes_no_storm_of_polls(crowd: Callable[[int], Any]) -> None:
    before = crowd(1)
    for number in (3, 4):
        load = crowd(number)
        assert load.peak() <= before.peak()
        assert load.total < before.total
    # An outage that is shorter than the codes are valid loses no sign-in.
    assert crowd(3).ends == {"Authorized": FLOWS}
    assert crowd(4).ends == {"Authorized": FLOWS}


def test_windows_move_the_load_and_jitter_spreads_it(fleet: Callable[..., Any]) -> None:
    assert fleet(ALONE).peak > 0.9 * SIZE
    assert fleet(TOGETHER).peak > 0.9 * SIZE
    assert fleet(WINDOWS).peak < 0.05 * SIZE
    for name, first, last in ((ALONE, 3600, 3601), (TOGETHER, 3300, 3301), (WINDOWS, 3300, 3436)):
        assert first <= min(fleet(name).requests)
        assert max(fleet(name).requests) <= last


def test_who_shares_a_store_asks_once(fleet: Callable[..., Any]) -> None:
    assert fleet(FILE).requests.total() == SIZE / 50
    assert fleet(REDIS).requests.total() == fleet(REDIS_TOGETHER).requests.total() == 1
    assert fleet(REDIS_DOWN).requests.total() == SIZE


def test_nobody_who_has_a_token_waits_for_a_lock(fleet: Callable[..., Any]) -> None:
    for name in (FILE, REDIS, REDIS_TOGETHER):
        for trouble in (None, "refused", "told"):
            assert fleet(name, trouble).looked == 0
            assert fleet(name, trouble).longest < timedelta(seconds=0.2)
        assert fleet(name, "silent").longest < timedelta(seconds=11), "its own attempt, if any"


def test_every_process_gets_its_token(fleet: Callable[..., Any]) -> None:
    for name in (ALONE, TOGETHER, WINDOWS, FILE, REDIS, REDIS_TOGETHER, REDIS_DOWN):
        assert fleet(name).renewed == SIZE
        assert fleet(name).failures == 0


def test_windows_survive_a_minute_without_the_endpoint(fleet: Callable[..., Any]) -> None:
    for name in (TOGETHER, WINDOWS, FILE, REDIS, REDIS_TOGETHER):
        for trouble in ("refused", "told", "silent"):
            assert fleet(name, trouble).failures == 0
            assert fleet(name, trouble).renewed == SIZE
    assert fleet(ALONE, "refused").failures > SIZE
    assert fleet(ALONE, "silent").failures >= SIZE


def test_without_windows_every_call_asks_five_times(fleet: Callable[..., Any]) -> None:
    load = fleet(ALONE, "refused")
    assert load.requests.total() == 5 * load.failures + 5 * SIZE


def test_who_is_told_when_to_come_back_does_so_once(fleet: Callable[..., Any]) -> None:
    load = fleet(ALONE, "told")
    assert load.requests.total() == 2 * SIZE
    assert [at - 3600 for at in load.requests if 3601 < at < 3660] == []


def test_an_early_renewal_asks_again_after_half_a_minute(fleet: Callable[..., Any]) -> None:
    load = fleet(WINDOWS, "refused")
    assert 1.3 * SIZE < load.requests.total() < 2 * SIZE
    assert load.peak < 0.06 * SIZE


def test_an_early_renewal_leaves_a_server_alone_for_as_long_as_it_asks(
    fleet: Callable[..., Any],
) -> None:
    for name in (TOGETHER, WINDOWS):
        load = fleet(name, "told")
        assert load.requests.total() <= 2 * SIZE
    assert [at for at in fleet(TOGETHER, "told").requests if 3301 < at < 3359] == []
    assert fleet(WINDOWS, "told").peak < 0.06 * SIZE


def rows(name: str) -> dict[str, list[str]]:
    """The rows of a table of the page, by their first cell."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^<!-- at_scale: {name} -->\n\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert found, name
    cells = ([cell.strip() for cell in line[1:-1].split("|")] for line in found[1].splitlines()[2:])
    return {first: rest for first, *rest in cells}


def number(cell: str) -> int:
    return int(cell.replace(",", "").split()[0])


def sizes() -> tuple[int, int]:
    flows, processes, _ = (number(cells[0]) for cells in rows("cost").values())
    return flows, processes


def test_the_numbers_of_the_crowd_are_the_program_s(crowd: Callable[[int], Any]) -> None:
    flows, _ = sizes()
    assert flows == 1_000_000
    for place, cells in enumerate(rows("crowd").values()):
        load = crowd(place)
        played = load.total, load.peak(), load.peak(30), load.ends["Authorized"]
        for cell, small in zip(cells, played, strict=False):
            assert number(cell) / flows == pytest.approx(small / FLOWS, rel=0.05, abs=0.02)


@pytest.mark.parametrize("trouble", [None, "refused", "told", "silent"])
def test_the_numbers_of_the_fleet_are_the_program_s(
    fleet: Callable[..., Any], trouble: str | None
) -> None:
    _, size = sizes()
    assert size == 10_000
    table = rows(trouble or "fleet")
    assert set(table) == {ALONE, TOGETHER, WINDOWS, FILE, REDIS, REDIS_TOGETHER} | (
        set() if trouble else {REDIS_DOWN}
    )
    for name in (ALONE, TOGETHER):  # those that grow with the fleet
        load, (_, requests, peak, _, *failures) = fleet(name, trouble), table[name]
        assert number(requests) / size == pytest.approx(load.requests.total() / SIZE, rel=0.05)
        assert number(peak) / size == pytest.approx(load.peak / SIZE, rel=0.1)
        if failures:
            assert number(failures[0]) / size == pytest.approx(load.failures / SIZE, rel=0.05)


def described() -> Mapping[str, Mapping[str, list[list[int]]]]:
    """What the picture tells of itself."""
    found = ET.parse(PLOT).find(".//{http://purl.org/dc/elements/1.1/}description")
    assert found is not None
    return json.loads(found.text or "")


def test_the_picture_shows_what_the_tables_say() -> None:
    for curves, name in zip(described().values(), ("fleet", "refused"), strict=True):
        table = rows(name)
        assert set(curves) == set(table)
        for case, curve in curves.items():
            _, requests, peak, *_ = table[case]
            assert sum(many for _, many in curve) == number(requests)
            assert max(many for _, many in curve) == number(peak)


def test_a_client_that_waits_takes_the_memory_that_the_page_says(at_scale: ModuleType) -> None:
    (said,) = (number(cells[0]) for what, cells in rows("cost").items() if "memory" in what)
    assert at_scale.crowd.bytes_each(1_000) == pytest.approx(said, rel=0.25)


@pytest.mark.thorough
def test_the_program_writes_the_page_and_the_picture(
    at_scale: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    page, plot = tmp_path / "scale.md", tmp_path / "pictures" / "fleet.svg"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(at_scale, "PAGE", page)
    monkeypatch.setattr(at_scale, "PLOT", plot)
    assert at_scale.main(["--flows", "50", "--processes", "10", "--write"]) == 0
    before, after = (path.read_text(encoding="utf-8").splitlines() for path in (PAGE, page))
    prose = [line for line in before if not line.startswith("|")]
    assert [line for line in after if not line.startswith("|")] == prose
    assert len(after) == len(before)
    assert any("| 10 each |" in line for line in after)
    # A line right below a table would be a row of it.
    assert not re.search(r"^\|.*\n[^|\n]", page.read_text(encoding="utf-8"), re.MULTILINE)
    tree = ET.parse(plot)
    assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_a_table_takes_the_place_of_the_one_before(at_scale: ModuleType) -> None:
    once = at_scale.filled("<!-- at_scale: a -->\n\nProse.\n", {"a": "| 1 |\n"})
    assert once == "<!-- at_scale: a -->\n\n| 1 |\n\nProse.\n"
    assert at_scale.filled(once, {"a": "| 2 |\n"}) == once.replace("1", "2")


@pytest.mark.thorough
def test_the_program_prints_its_tables() -> None:
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / "at_scale.py"), "--flows", "20", "--processes", "20"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"| {REDIS} |" in ended.stdout
    assert ended.stderr == ""
