"""What a part of the benchmarks says, and how processes and calls are measured."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median


@dataclass
class Row:
    """One line of the summary: ours against the best of the others, in one unit."""

    what: str
    ours: float
    theirs: float
    who: str
    target: float | None
    unit: str

    @property
    def ratio(self) -> float:
        """Return ours in parts of theirs."""
        return self.ours / self.theirs

    def cells(self) -> list[str]:
        """Return the cells of the table."""
        met = "" if self.target is None else "yes" if self.ratio <= self.target else "no"
        target = "" if self.target is None else f"{self.target:g}"
        times = (f"{each:.3g} {self.unit}" for each in (self.ours, self.theirs))
        return [self.what, *times, self.who, f"{self.ratio:.2g}", target, met]


@dataclass
class Part:
    """What one part measured: lines for the summary, and a table of its own."""

    rows: list[Row] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    lines: list[list[str]] = field(default_factory=list)

    def tell(self) -> None:
        """Print it for ``run.py``."""
        print(json.dumps(asdict(self)))

    @classmethod
    def read(cls, told: Mapping[str, list[dict[str, object]]]) -> Part:
        """Return what ``tell`` printed."""
        rows = [Row(**row) for row in told["rows"]]
        return cls(rows, list(told["head"]), list(told["lines"]))


def note(text: str) -> None:
    """Say how far it is."""
    print(f"  {text}", file=sys.stderr, flush=True)


def cpu_of(command: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    """Run a command and return its CPU time in ms; it must end well."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **(env or {})}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def in_turn(
    commands: Mapping[str, Sequence[str]], rounds: int, env: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Return the median CPU time of each command in ms; all take turns, so that all age alike."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            taken = cpu_of(command, env)
            if number:  # the first round warms the caches
                times[name].append(taken)
    return {name: median(each) for name, each in times.items()}


def microseconds(
    calls: Mapping[str, Callable[[], object]],
    rounds: int = 15,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Return the median cost of each call in µs, of CPU unless told; all take turns."""
    loops = {}
    for name, call in calls.items():
        began = clock()
        for _ in range(200):
            call()
        loops[name] = max(20, int(200 * 0.03 / max(1e-9, clock() - began)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = clock()
            for _ in range(loops[name]):
                call()
            times[name].append((clock() - began) / loops[name])
    return {name: 1e6 * median(each) for name, each in times.items()}


def best(found: Mapping[str, float], ours: Sequence[str]) -> tuple[str, float]:
    """Return the cheapest of the others."""
    others = {name: taken for name, taken in found.items() if name not in ours}
    name = min(others, key=others.__getitem__)
    return name, others[name]
