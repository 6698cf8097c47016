"""What the pages say is what happens: their code runs, their commands are those of ``.ci/run``.

Markers, each on the line above a block, where a reader of the page does not see them:

- ``<!-- run: https://… is played by grantflow.testing.serve -->`` puts a server on loopback behind
  that address, in the Python of the whole page and in this shell block, which is run;
- ``<!-- run -->`` runs this shell block; one without a marker is only read by the command's parser;
- ``<!-- prints -->``: this text is what the shell block before it prints, ``…`` being anything.
"""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import pairwise, takewhile
from pathlib import Path
from typing import NamedTuple

import pytest

from grantflow import providers
from grantflow.testing import Script, serve

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (README, *sorted(each for each in DOCS.rglob("*.md") if "_build" not in each.parts))
MODULES = [path for path in sorted(SOURCE.rglob("*.py")) if ">>> " in path.read_text("utf-8")]

FENCE = re.compile(r"^```(?P<language>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PLAYED = re.compile(r"<!-- run: (?P<url>https://\S+) is played by grantflow\.testing\.serve -->")
LINK = re.compile(r"\]\((?P<target>[^)#]+)(?:#[^)]*)?\)")


class Block(NamedTuple):
    language: str
    code: str
    line: int
    marker: str = ""

    @property
    def runs(self) -> bool:
        return self.marker.startswith("<!-- run")


def blocks(page: Path, *languages: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [
        Block(
            each["language"],
            each["code"],
            text.count("\n", 0, each.start("code")) + 1,
            text[: each.start()].rstrip().rpartition("\n")[2],
        )
        for each in FENCE.finditer(text)
    ]
    assert text.count("\n```") == 2 * len(found), "a fence is not closed"
    return [each for each in found if each.language in languages]


def speaking(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


def played_in(page: Path) -> set[str]:
    return {each["url"] for each in PLAYED.finditer(page.read_text(encoding="utf-8"))}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture
def played() -> Iterator[dict[str, str]]:
    """For each page: which address stands for which, while a server listens behind it."""
    with ExitStack() as servers:

        class Addresses(dict[str, str]):
            def __missing__(self, url: str) -> str:
                script = Script(approve_after=timedelta(), interval=timedelta(seconds=1))
                self[url] = servers.enter_context(serve(script)).issuer
                return self[url]

        yield Addresses()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("page", speaking("python"), ids=name_of)
def test_the_code_of_a_page_runs(
    page: Path, played: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All blocks of a page, in order, as one program: with files of its own and no network.

    ``<!-- run: https://… is played by grantflow.testing.serve -->`` above a block puts a server on
    loopback behind that address.
    """
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("BITFOUNT_STORAGE_PATH", str(tmp_path))
    monkeypatch.setenv("DAGSHUB_CLIENT_TOKENS_CACHE", str(tmp_path / "tokens"))
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    urls = played_in(page)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page, "python"):
        code = block.code
        for url in urls:
            code = code.replace(url, played[url])
        # The line numbers of a traceback are those of the page.
        exec(compile("\n" * (block.line - 1) + code, str(page), "exec"), names)


def commands(code: str) -> Iterator[list[str]]:
    """Yield the words after ``grantflow`` of each such line, without redirections and pipes."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["grantflow"]:
            yield list(takewhile(lambda word: word not in ("<", ">", "|", "&&", "--"), words[1:]))


@pytest.mark.parametrize("page", speaking("sh"), ids=name_of)
def test_the_commands_of_a_page_are_understood(page: Path) -> None:
    for block in blocks(page, "sh"):
        for command, *words in commands(block.code):
            parser = importlib.import_module(f"grantflow.cli.commands.{command}").parser()
            parser.read(words, Namespace())  # a CommandError names what it does not know


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
@pytest.mark.parametrize(
    "page",
    [page for page in speaking("sh") if any(each.runs for each in blocks(page, "sh"))],
    ids=name_of,
)
def test_the_commands_of_a_page_run(page: Path, played: dict[str, str], tmp_path: Path) -> None:
    places = {url: played[url] for url in sorted(played_in(page))}
    inherited = {name: text for name, text in os.environ.items() if "GRANTFLOW" not in name}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = inherited | {"GRANTFLOW_HOME": str(tmp_path), "PATH": path}
    said = ""
    for block in blocks(page, "sh", "text"):
        code = block.code
        for url, place in places.items():
            code = code.replace(url, place)
        if block.language == "text":
            if block.marker == "<!-- prints -->":
                pattern = re.escape(code.strip()).replace("…", ".+")
                assert re.fullmatch(pattern, said.strip()), f"line {block.line}: {said}"
        elif block.runs:
            if "curl " in code and shutil.which("curl") is None:
                pytest.skip("curl is not here")
            ended = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", code],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=50,
                check=False,
            )
            said = ended.stdout
            assert ended.returncode == 0, f"line {block.line}: {said}"


@pytest.mark.parametrize("page", speaking("toml"), ids=name_of)
def test_the_providers_of_a_page_are_understood(page: Path) -> None:
    for block in blocks(page, "toml"):
        found = providers.with_own(tomllib.loads(block.code))
        assert not found.mistakes


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_examples_of_a_module_are_true(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
    results = doctest.testmod(module)
    assert results.attempted > 0, "the examples are in no docstring that doctest sees"
    assert results.failed == 0, capsys.readouterr().out


def test_there_are_examples() -> None:
    assert len(MODULES) > 15


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target = link["target"]
        inside = page.parent / target
        assert target.startswith("https://") or inside.exists(), target
        # The built pages hold no file from outside of docs.
        assert target.startswith("https://") or page == README or DOCS in inside.resolve().parents


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_headings_of_a_page_go_down_step_by_step(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_readme_sets_up_in_two_blocks() -> None:
    demo, tests = (block.code.splitlines() for block in blocks(README, "sh"))
    assert demo[0] == tests[0] == "python3 -m venv .venv"
    assert any("pip install" in line and "[cli]" in line for line in demo)
    assert demo[-1] == ".venv/bin/grantflow demo"
    assert any("pip install" in line and "[test]" in line for line in tests)
    assert tests[-1].startswith(".venv/bin/python -m pytest")


def test_the_readme_s_first_example_has_twelve_lines() -> None:
    assert len(blocks(README, "python")[0].code.splitlines()) == 12


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
@pytest.mark.parametrize("number", [1, 2])
def test_ci_runs_the_commands_of_the_readme(number: int) -> None:
    ci = ROOT / ".ci" / "run"
    shown = subprocess.run(
        ["bash", str(ci), "show", str(number)], capture_output=True, text=True, check=True
    )
    assert shown.stdout == blocks(README, "sh")[number - 1].code
    # And it has no copy of them that could differ.
    for line in shown.stdout.splitlines():
        assert line not in ci.read_text(encoding="utf-8")
