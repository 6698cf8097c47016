"""What hypothesis loads by an entry point, so that ``st.from_type`` knows this library's values."""

from __future__ import annotations

from importlib import import_module


def register() -> None:
    """Load the strategies; where they are being imported already, they go on by themselves."""
    import_module("grantflow.testing.strategies")
