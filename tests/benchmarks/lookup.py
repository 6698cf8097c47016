"""A look into a ``FileStore``, with one token in it and with 100,000."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from measured import Part, Row, microseconds

from grantflow import FileStore, Token

MANY = 100_000


def filled(folder: Path, number: int) -> FileStore:
    """Return a store with that many tokens; all but one are copies of its file."""
    store = FileStore(folder)
    now = datetime.now(UTC)
    lives = timedelta(hours=1)
    token = Token(
        access_token="at" * 400, refresh_token="rt", issued_at=now, expires_at=now + lives
    )
    store.save("wanted", token)
    text = (folder / "wanted.json").read_bytes()
    for each in range(number - 1):
        (folder / f"{sha256(str(each).encode()).hexdigest()}.json").write_bytes(text)
    return store


def main() -> None:
    """Measure, and tell."""
    with tempfile.TemporaryDirectory() as folder:
        few = filled(Path(folder) / "few", 1)
        many = filled(Path(folder) / "many", MANY)

        def claimed(store: FileStore) -> None:
            with store.claim("wanted"):
                pass

        found = microseconds(
            {
                "`read`, 1 token": lambda: few.read("wanted"),
                f"`read`, {MANY:,} tokens": lambda: many.read("wanted"),
                "`claim`, 1 token": lambda: claimed(few),
                f"`claim`, {MANY:,} tokens": lambda: claimed(many),
            },
            clock=time.perf_counter,
        )
    part = Part(head=["`FileStore`", "µs a call"])
    part.lines = [[name, f"{taken:.1f}"] for name, taken in found.items()]
    one, all_ = found["`read`, 1 token"], found[f"`read`, {MANY:,} tokens"]
    what = f"a look into a store with {MANY:,} tokens"
    # The same cost, but for what two measurements of the same thing differ by.
    part.rows = [Row(what, all_, one, "with 1 token", 1.2, "µs")]
    part.tell()


if __name__ == "__main__":
    main()
