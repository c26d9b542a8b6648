"""Equimarginal: tomorrow's marketing budget, decided every night and signed every morning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.runs.night import run_night
    from pipeline.runs.portfolio import open_portfolio

__version__ = "0.1.0"
__all__ = ["open_portfolio", "run_night"]


def __getattr__(name: str) -> Any:
    """Import the two public functions when they are first used, so that importing stays quick."""
    if name == "open_portfolio":
        from pipeline.runs.portfolio import open_portfolio

        return open_portfolio
    if name == "run_night":
        from pipeline.runs.night import run_night

        return run_night
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
