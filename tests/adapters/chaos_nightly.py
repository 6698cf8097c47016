"""Thousands of broken answers against every transport: ``python -m tests.adapters.chaos_nightly``.

Each transport runs in a process of its own, so that what it takes of memory is its own. It fails
where anything is raised, takes more than 16 MiB, outlasts its deadline by more than a second, or
tells the secret that was sent. ``--answers`` says how many for each transport, ``--seed`` which.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

from attrs import asdict, frozen

from grantflow import Fault, Response
from grantflow.core.values.request import Request
from grantflow.core.values.secret import Secret
from tests.support.chaos import SECRET, chaos
from tests.support.transports import ALL

DEADLINE = 0.5
MOST_MEMORY = 16 * 1024
"""KiB."""


@frozen
class Told:
    """What one transport made of the answers."""

    name: str
    answers: int
    raised: int
    told: int
    longest: float
    memory: int

    @property
    def held(self) -> bool:
        late = self.longest > DEADLINE + 1
        return not (self.raised or self.told or late or self.memory > MOST_MEMORY)


def child(name: str, url: str, answers: int) -> Told:
    raised = told = 0
    longest = 0.0
    with ALL[name]((DEADLINE, DEADLINE)) as send:
        for _ in range(5):  # what is loaded once
            send(Request(f"{url}?whole", form={"a": "b"}))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(answers):
            request = Request(f"{url}?{number}", form={"client_secret": Secret(SECRET)})
            start = time.monotonic()
            try:
                reply = send(request)
            except Exception as error:  # noqa: BLE001 - that is what is counted
                print(f"{name} {number}: {error!r}", file=sys.stderr)
                raised += 1
                continue
            longest = max(longest, time.monotonic() - start)
            told += not isinstance(reply, (Response, Fault)) or SECRET in repr(reply)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Told(name, answers, raised, told, round(longest, 2), after - before)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--drips", type=float, default=0.02)
    parser.add_argument("--transport", choices=ALL, action="append")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child is not None:
        name, url = asked.child
        print(json.dumps(asdict(child(name, url, asked.answers))))
        return 0
    print(f"seed {asked.seed}")
    held = True
    with chaos(asked.seed, drips=asked.drips) as heard:
        for name in asked.transport or ALL:
            call = [sys.executable, "-m", __spec__.name, "--answers", str(asked.answers)]
            done = subprocess.run(
                [*call, "--child", name, heard.url], stdout=subprocess.PIPE, text=True, check=True
            )
            found = Told(**json.loads(done.stdout))
            held = held and found.held
            print("right" if found.held else "WRONG", found, flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
