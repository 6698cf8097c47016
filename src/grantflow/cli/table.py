"""Rows as columns of text: whole in a pipe, cut to the screen at a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from grantflow.cli.output import is_terminal


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row, with its texts below each other."""
    widths = [max(len(text) for text in column) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if not is_terminal(sys.stdout):
        return lines
    room = shutil.get_terminal_size().columns
    return [line if len(line) <= room else f"{line[: room - 1]}\u2026" for line in lines]
