"""The servers of the matrix in turn, the person at the browser, and the record of what happened."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.interop.chromium import missing_chromium, start_chromium
from tests.interop.conftest import demand
from tests.interop.matrix.browser import Person
from tests.interop.matrix.report import Column, Results, save
from tests.interop.matrix.running import STARTS, Running

RESULTS: Results = {}
TARGET = "GRANTFLOW_INTEROP_RESULTS"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "scenario(name): a row of the matrix")


@pytest.fixture(scope="module", params=list(STARTS))
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    """Each server in its turn."""
    missing, start = STARTS[request.param]
    demand(missing())
    with start() as running:
        RESULTS[running.name] = Column(running.version)
        yield running


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    demand(missing_chromium())
    # The certificates are of an authority that lives for one test run.
    profile = tmp_path_factory.mktemp("chromium")
    with start_chromium(profile, "--ignore-certificate-errors") as driver:
        yield Person(driver)


class Cell:
    """Where a row and a column meet."""

    def __init__(self, server: Running) -> None:
        self.column = RESULTS[server.name]
        self.result = "yes"

    def saw(self, fact: str, what: object) -> None:
        """Record what the server did."""
        self.column.seen[fact] = str(what)

    def not_offered(self, reason: str) -> None:
        """Record why this server cannot take part; the caller has shown it."""
        self.result = f"not offered: {reason}"


@pytest.fixture
def cell(server: Running, request: pytest.FixtureRequest) -> Cell:
    made = Cell(server)
    request.node.stash[CELL] = made
    return made


CELL = pytest.StashKey[Cell]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    cell, row = item.stash.get(CELL, None), item.get_closest_marker("scenario")
    if cell and row and (report.when == "call" or report.failed):
        cell.column.results[row.args[0]] = cell.result if report.passed else "FAILED"
    return report


def pytest_sessionfinish() -> None:
    if RESULTS and (target := os.environ.get(TARGET)):
        save(RESULTS, Path(target))
