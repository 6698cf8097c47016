"""The tables of docs/interop.md, from the results of one test run.

python -m tests.interop.matrix.report RESULTS            print the tables
python -m tests.interop.matrix.report RESULTS PAGE       exit 1 when the page has others
python -m tests.interop.matrix.report RESULTS PAGE --write
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast

from attrs import Factory, asdict, define

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


@define
class Column:
    """One server: its version, how each scenario ended, and what was seen on the wire."""

    version: str = ""
    results: dict[str, str] = Factory(dict[str, str])
    seen: dict[str, str] = Factory(dict[str, str])


Results = dict[str, Column]


def save(results: Results, path: Path) -> None:
    """Write the results, so that the tables can be made of them later."""
    text = json.dumps({name: asdict(column) for name, column in results.items()}, indent=1)
    path.write_text(text + "\n", "utf-8")


def load(path: Path) -> Results:
    read = cast("dict[str, dict[str, object]]", json.loads(path.read_text("utf-8")))
    return {name: Column(**column) for name, column in read.items()}  # type: ignore[arg-type]


def tables(results: Results) -> str:
    """Return both tables in Markdown."""
    versions = {name: column.version for name, column in results.items()}
    notes: list[str] = []
    rows = [["version", *versions.values()]]
    for scenario in _rows([column.results for column in results.values()]):
        cells = [column.results.get(scenario, "not run") for column in results.values()]
        rows.append([scenario, *(_noted(cell, notes) for cell in cells)])
    matrix = _table(["scenario", *results], rows)
    seen = [column.seen for column in results.values()]
    facts = [[fact, *(each.get(fact, "") for each in seen)] for fact in _rows(seen)]
    same = [f"{fact}: {told[0]}" for fact, *told in facts if len({*told}) == 1]
    wire = _table(["on the wire", *results], [row for row in facts if len({*row[1:]}) > 1])
    numbered = "\n".join(f"{number}. {note}" for number, note in enumerate(notes, 1))
    return (
        f"{matrix}\n\nNot offered by the server, because:\n\n{numbered}\n\n{wire}\n\n"
        f"All of them alike: {'; '.join(same)}.\n"
    )


def _rows(columns: list[dict[str, str]]) -> list[str]:
    """Return every key, in the order of the first column that has it."""
    return list(dict.fromkeys(name for column in columns for name in column))


def _noted(cell: str, notes: list[str]) -> str:
    """Return a cell; a reason becomes a note below the table."""
    if not cell.startswith("not offered: "):
        return cell
    note = cell.removeprefix("not offered: ")
    if note not in notes:
        notes.append(note)
    return f"no ({notes.index(note) + 1})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(results: str, page: str = "", write: str = "") -> int:
    made = tables(load(Path(results)))
    print(made)
    if not page:
        return 0
    text = Path(page).read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{BEGIN}\n{made}{END}{after}"
    if write:
        Path(page).write_text(wanted, "utf-8")
    elif wanted != text:
        print(f"{page} has other tables: run this with --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
