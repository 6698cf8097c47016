"""``grantflow token`` with a warm file, against a bare Python that reads one JSON file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measured import Part, Row, in_turn
from server import started

BARE = """
import json, sys, time
with open(sys.argv[1]) as file:
    found = json.load(file)
if found["expires_at"] > time.time():
    print(found["access_token"])
"""


def main() -> None:
    """Measure, and tell."""
    command = Path(sys.executable).with_name("grantflow")
    with tempfile.TemporaryDirectory() as home, started() as (url, certificate):
        for name in [each for each in os.environ if each.startswith("GRANTFLOW_")]:
            del os.environ[name]
        environment = {
            **os.environ,
            "GRANTFLOW_HOME": f"{home}/grantflow",
            "REQUESTS_CA_BUNDLE": certificate,
        }
        secret = Path(home) / "secret"
        secret.write_text("s")
        secret.chmod(0o600)
        login = ["login", "--grant", "client_credentials", "--client-id", "app"]
        where = ["--token-endpoint", f"{url}/token", "--client-secret-file", str(secret)]
        subprocess.run(
            [str(command), *login, *where],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        one = Path(home) / "one.json"
        one.write_text(json.dumps({"access_token": "at-1", "expires_at": 4e9}))
        commands = {
            "pass": [sys.executable, "-c", "pass"],
            "a bare Python that reads one JSON file": [sys.executable, "-c", BARE, str(one)],
            "`grantflow token`": [str(command), "token"],
            "`python -m grantflow token`": [sys.executable, "-m", "grantflow", "token"],
            "`grantflow token --format json`": [str(command), "token", "--format", "json"],
            "`grantflow --version`": [str(command), "--version"],
        }
        found = in_turn(commands, rounds=20, env=environment)
    bare = found["a bare Python that reads one JSON file"]
    part = Part(head=["A process from start to end", "ms of CPU"])
    part.lines = [[name, f"{taken:.1f}"] for name, taken in found.items()]
    what = "`grantflow token` with a warm file"
    part.rows = [Row(what, found["`grantflow token`"], bare, "a bare Python", 2.0, "ms")]
    part.tell()


if __name__ == "__main__":
    main()
