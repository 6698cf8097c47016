"""Compare this library with its peers: ratios within one run, which say more than times.

``python tests/benchmarks/run.py`` makes a virtual environment of its own beside this file, installs
the library and its peers there by name, and prints the tables; ``--write`` puts them into
docs/benchmarks.md, ``--only NAME`` runs one part. It takes some minutes and talks to nobody but
this machine once the peers are there. No test runs it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from measured import Part, Row

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
PAGE: Final = ROOT / "docs" / "benchmarks.md"
HOME: Final = HERE / ".venv"
PYTHON: Final = HOME / ("Scripts" if sys.platform == "win32" else "bin") / "python"

PEERS: Final = (
    "authlib",
    "google-auth",
    "httpx-auth",
    "huggingface_hub",
    "msal",
    "msal-extensions",
    "oauthlib",
    "requests-oauth2client",
    "requests-oauthlib",
)
PARTS: Final = ("imports", "warm", "command", "flows", "crowd", "lookup")
LONGEST: Final = 900
"""Seconds that one part may take."""

_TABLE: Final = re.compile(
    r"^(?P<marker><!-- benchmarks: (?P<name>\w+) -->)\n(?:\n(?:\|.*\n)+)?", re.M
)


def install() -> None:
    """Make the virtual environment; the library in it is always this tree's."""
    if not PYTHON.exists():
        venv.create(HOME, with_pip=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *PEERS, f"{ROOT}[async,aiohttp]"], check=True)
    subprocess.run([*pip, "--force-reinstall", "--no-deps", str(ROOT)], check=True)


def measured(name: str) -> Part:
    """Run one part in the virtual environment."""
    ended = subprocess.run(
        [str(PYTHON), str(HERE / f"{name}.py")],
        stdout=subprocess.PIPE,
        text=True,
        timeout=LONGEST,
        check=True,
    )
    return Part.read(json.loads(ended.stdout))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = (head, ["---"] + ["---:"] * (len(head) - 1), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def summary(rows: Sequence[Row]) -> str:
    """Return ours, theirs, the ratio, and whether the target is met."""
    head = ("What", "Ours", "Theirs", "Who", "Ratio", "Target", "Met")
    return table(head, [row.cells() for row in rows])


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part")
    parser.add_argument("--keep", action="store_true", help="install nothing anew")
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    options = parser.parse_args(argv)
    if not options.keep:
        install()
    rows: list[Row] = []
    tables: dict[str, str] = {}
    for name in options.only or PARTS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        part = measured(name)
        rows += part.rows
        tables[name] = table(part.head, part.lines)
        print(f"{name}\n\n{tables[name]}", flush=True)
    tables["summary"] = summary(rows)
    print(tables["summary"])
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        page = _TABLE.sub(
            lambda found: f"{found['marker']}\n\n{tables.get(found['name'], '')}", page
        )
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
