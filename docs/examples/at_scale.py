"""A million sign-ins at one server, and a fleet whose tokens end together, in virtual time.

``python docs/examples/at_scale.py`` prints the tables of docs/scale.md for a small crowd and a
small fleet, in seconds. ``--flows 1000000 --processes 10000 --write`` takes minutes, and puts the
tables and the plot of that size into the page; for the plot, matplotlib has to be there.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Final, TypeAlias

import crowd
import fleet

from grantflow.testing import Outage

DOCS: Final = Path(__file__).resolve().parent.parent
PAGE: Final = DOCS / "scale.md"
PLOT: Final = DOCS / "pictures" / "fleet.svg"

MINUTE: Final = timedelta(minutes=1)
TROUBLE: Final = {
    "refused": fleet.refused,
    "told": fleet.overloaded,
    "silent": fleet.silent,
}
"""What the token endpoint does for a minute, from the moment in which the first process asks."""

_TABLE: Final = re.compile(
    r"^(?P<marker><!-- at_scale: (?P<name>\w+) -->)\n(?:\n(?:\|.*\n)+)?", re.M
)
_FRACTION: Final = re.compile(r"(?P<tenth>\b\d+\.\d)\d+\b")

Trouble: TypeAlias = Callable[[timedelta, timedelta], tuple[Outage, ...]]
Curve: TypeAlias = list[tuple[int, int]]
"""Requests by the second."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = (head, ["---"] + ["---:"] * (len(head) - 1), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def crowd_table(flows: int) -> str:
    """Return what became of a crowd in each case."""
    rows = []
    for case in crowd.cases(flows):
        load = crowd.played(case, flows, crowd.Counted(case.backoff))
        counts = load.total, load.peak(), load.peak(30), load.ends["Authorized"]
        rows.append([case.name, *(f"{each:,}" for each in counts), spoken(load.lateness)])
    head = ("The crowd", "Polls", "Busiest second", "After 30 s", "Signed in", "Approved to token")
    return table(head, rows)


def fleet_table(loads: Mapping[str, fleet.Load], *, trouble: bool) -> str:
    """Return what became of a fleet in each case."""
    rows = []
    for name, load in loads.items():
        counts = (load.requests.total(), load.peak, load.looked, load.failures)
        rows.append([name, spoken(load.longest), *(f"{each:,}" for each in counts[: 3 + trouble])])
    head = ["The fleet", "Longest call", "Requests", "Busiest second", "Looks at a Redis lock"]
    return table([*head, "Calls without a token"] if trouble else head, rows)


def fleet_loads(size: int, trouble: Trouble | None = None) -> dict[str, fleet.Load]:
    """Play every case, without trouble or with a minute of it."""
    cases = [case for case in fleet.CASES if trouble is None or not case.down]
    return {
        case.name: fleet.played(case, size, trouble(case.begins, MINUTE) if trouble else ())
        for case in cases
    }


def curves(loads: Mapping[str, fleet.Load], *, from_the_end: bool) -> dict[str, Curve]:
    """Return requests by the second: from the tokens' end on, or from the first request on."""
    return {
        name: [
            (second - (fleet.LIFE // fleet.SECOND if from_the_end else min(load.requests)), number)
            for second, number in sorted(load.requests.items())
        ]
        for name, load in loads.items()
    }


def draw(told: Mapping[str, Mapping[str, Curve]], path: Path) -> None:
    """Draw the curves as SVG, one picture for each; its description holds the numbers."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.hashsalt": "grantflow", "svg.fonttype": "none", "font.size": 9})
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, (title, drawn) in zip(figure.subplots(1, 2, sharey=True), told.items(), strict=True):
        for (name, curve), marker in zip(drawn.items(), "xo.s^v+", strict=False):
            seconds, numbers = zip(*curve, strict=True)
            axes.plot(seconds, numbers, marker, label=name.replace("`", ""), markersize=4)
        axes.set(title=title.partition(", ")[0], yscale="log", xlabel=title.partition(", ")[2])
        axes.grid(visible=True, alpha=0.3)
    figure.axes[0].set_ylabel("token requests in one second")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    path.parent.mkdir(exist_ok=True)
    drawn_as = StringIO()
    metadata = {"Date": None, "Description": json.dumps(told)}
    figure.savefig(drawn_as, format="svg", metadata=metadata)
    # A tenth of a point is more than enough, and a third of the file.
    text = _FRACTION.sub(r"\g<tenth>", drawn_as.getvalue())
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", "utf-8")


def spoken(span: timedelta) -> str:
    """Return a span as people say it."""
    seconds = span.total_seconds()
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def filled(page: str, tables: Mapping[str, str]) -> str:
    """Return a page with its tables replaced."""
    return _TABLE.sub(lambda found: f"{found['marker']}\n\n{tables[found['name']]}", page)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=10_000, help="sign-ins in the crowd")
    parser.add_argument("--processes", type=int, default=1_000, help="processes in the fleet")
    parser.add_argument("--write", action="store_true", help="put tables and plot into the page")
    options = parser.parse_args(argv)
    flows, size = options.flows, options.processes
    began = time.process_time()
    gc.disable()  # a million states without a cycle among them: to look for one takes half the time
    tables = {"crowd": crowd_table(flows)}
    gc.enable()
    crowds = time.process_time() - began
    calm = fleet_loads(size)
    troubled = {name: fleet_loads(size, make) for name, make in TROUBLE.items()}
    fleets = time.process_time() - began - crowds
    tables["fleet"] = fleet_table(calm, trouble=False)
    tables |= {name: fleet_table(loads, trouble=True) for name, loads in troubled.items()}
    tables["cost"] = table(
        ("What", "How many", "CPU time"),
        [
            ["sign-ins of the crowd, in five cases", f"{flows:,} each", f"{crowds:.0f} s"],
            ["processes of the fleet, in all cases", f"{size:,} each", f"{fleets:.0f} s"],
            ["memory of a client that waits", f"{crowd.bytes_each():,} bytes", ""],
        ],
    )
    for name, text in tables.items():
        print(f"{name}\n\n{text}")
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(filled(page, tables), encoding="utf-8")
        told = {
            "No trouble, seconds from the end of the tokens": curves(calm, from_the_end=True),
            "Refused for 60 s, seconds from the first request": curves(
                troubled["refused"], from_the_end=False
            ),
        }
        draw(told, PLOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
