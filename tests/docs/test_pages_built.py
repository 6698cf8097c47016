"""The pages build without a warning, every promised name is on them, and so is every flag."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest
from attrs import fields

import grantflow
import grantflow.testing
from grantflow import providers
from grantflow.cli.dispatch import COMMANDS, whole
from grantflow.core.client.dialect import RequestFormat, ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.core.flows.edges import DEVICE, TOKEN_REQUEST, Edges
from grantflow.providers.reader import KEYS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "grantflow"

WHERE = {"name", "issuer", "auth_methods"}
"""What of a provider is no matter of spelling, beside its endpoints."""

PROMISED = {
    "grantflow.core.flows.run_codec.dump_run",
    "grantflow.core.flows.run_codec.load_run",
    *(
        f"grantflow.shell.aio.{name}"
        for name in ("AsyncTokenSource", "discover", "in_thread", "run")
    ),
    "grantflow.integrations.httpx.TokenAuth",
    "grantflow.shell.timer.TimerDriver",
    *(f"grantflow.testing.{name}" for name in grantflow.testing.__all__),
    *(f"grantflow.{name}" for name in grantflow.__all__ if name != "providers"),
    *(f"grantflow.providers.{name}" for name in providers.__all__),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the pages; nitpicky, and a warning is an error."""
    folder = tmp_path_factory.mktemp("pages")
    made = (str(DOCS), str(folder / "html"), "-d", str(folder / "read"))
    ended = subprocess.run(
        [sys.executable, "-m", "sphinx", "-nWEq", "--keep-going", "-b", "html", *made],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return folder / "html"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("tables")


def text_of(page: Path) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def section(page: str, title: str) -> str:
    """Return what stands under a heading of the second level."""
    parts = re.split(r"^## ", page, flags=re.MULTILINE)
    found = [part for part in parts if part.partition("\n")[0] == title]
    assert found, f"there is no section {title!r}"
    return found[0]


@pytest.mark.thorough
def test_the_pages_build(built: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    assert {page for page in pages if not (built / page).exists()} == set()


@pytest.mark.thorough
def test_the_charts_and_the_tables_are_on_the_built_pages(built: Path) -> None:
    machine = (built / "machine.html").read_text(encoding="utf-8")
    assert machine.count('<svg class="states"') == 2
    assert machine.count("stateDiagram") == 0
    table = text_of(built / "providers.html")
    assert [name for name in providers.names() if name not in table] == []
    assert not any("table: " in page.read_text("utf-8") for page in built.glob("*.html"))


@pytest.mark.thorough
def test_nothing_of_a_page_is_fetched_from_elsewhere(built: Path) -> None:
    for page in built.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        assert re.findall(r"<(?:script|img|iframe)[^>]+src=\"(?:https?:)?//[^\"]+", html) == []
        assert re.findall(r"<link[^>]+stylesheet[^>]+href=\"(?:https?:)?//[^\"]+", html) == []


@pytest.mark.thorough
def test_every_promised_name_is_in_the_reference(built: Path) -> None:
    html = (built / "reference.html").read_text(encoding="utf-8")
    ids = set(re.findall(r'id="(?:module-)?([\w.]+)"', html))
    assert PROMISED - ids == set()


def test_every_knob_is_explained(tables: ModuleType) -> None:
    plain = Provider(name="plain", token_endpoint="https://plain.example/token")
    own = {
        each.name
        for each in fields(Provider)
        if "endpoint" not in each.name
        and not isinstance(getattr(plain, each.name), (RequestFormat, ResponseFormat))
    } - WHERE
    asking = {f"asking.{each.name}" for each in fields(RequestFormat)}
    answers = {f"answers.{each.name}" for each in fields(ResponseFormat)}
    assert set(tables.KNOBS) == own | asking | answers


def test_every_key_of_a_file_is_in_its_table(tables: ModuleType) -> None:
    rows = [line.split(" | ") for line in tables.keys().splitlines()[2:]]
    shown = {row[0].strip("| `").split(".")[-1] for row in rows}
    inside = {each.name for kind in (RequestFormat, ResponseFormat) for each in fields(kind)}
    formats = {"device", "poll", "token", "refresh", "exchange", "answers"} | {
        "revocation",
        "introspection",
        "registration",
    }
    assert set(KEYS) | inside <= shown | formats | {"like", "needs"}
    assert [row[0] for row in rows if not row[-1].strip(" |")] == []


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("keycloak", set()),
        ("amazon", {"asking.fixed", "asking.echo", "asking.drop", "answers.codes"}),
    ],
)
def test_the_table_names_the_knobs_that_a_provider_turns(
    name: str, knobs: set[str], tables: ModuleType
) -> None:
    assert tables.used(providers.template(name)) == knobs


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_of_a_command_is_in_its_section(command: str, tables: ModuleType) -> None:
    page = tables.filled((DOCS / "command.md").read_text(encoding="utf-8"))
    text = section(page, command)
    make: Callable[[], ArgumentParser]
    make = importlib.import_module(f"grantflow.cli.commands.{command}").parser
    flags = {*re.findall(r"(?<![\w-])--[a-z][a-z-]+", make().format_help())} - {"--help"}
    assert [flag for flag in flags if flag not in text] == []
    assert COMMANDS[command] in page


def test_every_variable_and_exit_code_is_on_the_page() -> None:
    page = (DOCS / "command.md").read_text(encoding="utf-8")
    told = "\n".join(whole())
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", told.partition("Environment:")[2]))
    read = set(re.findall(r'"(GRANTFLOW_[A-Z_]+)', "".join(map(_text, SOURCE.rglob("*.py")))))
    variables = section(page, "Environment")
    assert {name for name in named | read if name.rstrip("_") not in variables} == set()
    codes = re.findall(r"^  (\d+(?:, \d+)*)  ", told.partition("Exit codes:")[2], re.MULTILINE)
    assert re.findall(r"^\| (\d+(?:, \d+)*) \|", section(page, "Exit codes"), re.MULTILINE) == codes


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("edges", [DEVICE, TOKEN_REQUEST], ids=["device", "grant"])
def test_a_chart_has_one_line_for_each_edge(edges: Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    svg: Callable[[str, Edges], str] = importlib.import_module("state_chart").svg
    tables = [edges]
    for state, row in edges.items():
        tables += [
            {**edges, state: {event: follow - {each} for event, follow in row.items()}}
            for each in {after for follow in row.values() for after in follow}
        ]
    for table in tables:
        triples = [
            (state, event.__name__, after)
            for state, row in table.items()
            for event, follow in row.items()
            for after in follow
        ]
        chart = svg("one", table)
        drawn = chart.partition("<g ")[2].partition("</g>")[0]
        paths = re.findall(r'<path d="([^"]+)"/>', drawn)
        assert len(paths) == len(set(paths)) == 1 + len({(a, c) for a, _, c in triples})
        labels = re.findall(r'<text class="event"[^>]*>(\w+)</text>', chart)
        assert sorted(labels) == sorted(event for _, event, _ in triples)


def test_a_marker_for_no_table_is_found_out(tables: ModuleType) -> None:
    with pytest.raises(LookupError, match="nothing"):
        tables.filled("<!-- table: nothing -->")


def test_the_extras_are_on_the_first_page() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = re.findall(
        r"^(\w+) = \[",
        project.partition("[project.optional-dependencies]")[2].partition("\n[")[0],
        re.MULTILINE,
    )
    page = (DOCS / "start.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", section(page, "Install"), re.MULTILINE)
    assert told == [each for each in extras if each not in ("docs", "test")]


def test_every_method_of_a_played_provider_is_in_the_table_of_requests(tables: ModuleType) -> None:
    rows = [line.strip("| ").split(" | ") for line in tables.requests().splitlines()[2:]]
    shown = {(row[0].strip("`"), name) for row in rows for name in row[-1].split(", ")}
    assert shown == {
        (method, name)
        for name in providers.names()
        for method in providers.template(name).provider.auth_methods
        if name != "dagshub"  # a link and a request that is held open: tests/compat plays it
    }
