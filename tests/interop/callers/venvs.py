"""Where install.sh put the originals, and how their scenarios are played there."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import grantflow

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent.parent


def home() -> Path:
    """Return the folder of the virtual environments: never in the checkout."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache_home) / "grantflow-interop" / "callers"


def missing(system: str) -> str | None:
    """Say why the programs of a system cannot be run, or ``None``."""
    parts = [system, "grantflow-needs", f"{system}-needs"]
    files = [path for part in parts if (path := HERE / f"{part}.txt").exists()]
    stamp = sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:16]
    try:
        found = (home() / system / "installed").read_text("utf-8").strip()
    except OSError:
        found = None
    if found == stamp:
        return None
    return f"{system}.txt is not installed in {home()}: run {HERE / 'install.sh'}"


@cache
def outcomes(system: str, side: str) -> dict[str, Any]:
    """Play all scenarios of a system with the original or the compat module, once."""
    with tempfile.TemporaryDirectory(prefix="grantflow-callers-") as folder:
        # This library alone, whatever else is installed beside it.
        Path(folder, "grantflow").symlink_to(Path(grantflow.__file__).parent)
        done = subprocess.run(
            [
                home() / system / "bin" / "python",
                *("-W", "ignore", "-m", "tests.interop.callers.play", system, side),
            ],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join([folder, str(ROOT)]),
                "PYTHONDONTWRITEBYTECODE": "1",
                "TMPDIR": folder,
                "HOME": folder,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
    if done.returncode:
        raise RuntimeError(f"{system}, {side}: status {done.returncode}\n{done.stderr}")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {each["name"]: each for each in found}
