"""How far lines lie apart, as believed beforehand: whole loops of nights under several spreads.

    python -m benchmarks.spreads --write

What a single morning earns says little of what a belief is worth: what it keeps the nights from
learning shows only when they are lived.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks.numbers import fill
from pipeline.core.types import FloatArray
from pipeline.response import population
from pipeline.simulation.loop import WorldMaker, run_loop, run_oracle, run_static, world_maker
from pipeline.simulation.ours import nightly_decision
from pipeline.simulation.worlds import NIGHTS

KINDS = "calm,drifting,noisy,quiet,slow,sparse"
SPREADS = (0.5, population.LOG_SPREAD, 2.0)
WEEK = 7
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "model.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """One loop under one spread: shares of what there was to gain, and intervals that held."""

    spread: float
    captured: float
    first_week: float
    last_week: float
    lift: float
    marginal: float
    uplift: float


def live(job: tuple[str, int]) -> list[Lived]:
    """Return how the nights of one world went under each spread; in a process of its own."""
    make = world_maker(*job)
    still, best = (run(make, NIGHTS).incremental for run in (run_static, run_oracle))
    return [_under(spread, make, still, best) for spread in SPREADS]


def _under(spread: float, make: WorldMaker, still: FloatArray, best: FloatArray) -> Lived:
    population.LOG_SPREAD = spread
    population.prior_of.cache_clear()
    ours = run_loop(make(), nightly_decision, name="ours")

    def captured(days: slice) -> float:
        gain, reach = ours.incremental[days] - still[days], best[days] - still[days]
        return float(gain.sum() / reach.sum())

    def held(name: str) -> float:
        return float(np.mean([getattr(n, name) for n in ours.nights if n.uplift_true is not None]))

    return Lived(
        spread=spread,
        captured=captured(slice(None)),
        first_week=captured(slice(WEEK)),
        last_week=captured(slice(-WEEK, None)),
        lift=float(ours.incremental.sum() / still.sum() - 1),
        marginal=held("marginal_covered"),
        uplift=held("uplift_covered"),
    )


def table(rows: list[Lived]) -> str:
    """Return the means by spread, as Markdown."""
    lines = [
        "| standard deviation | captured | first week | last week | least lift "
        "| marginal returns held | uplifts held |",
        "|---|---|---|---|---|---|---|",
    ]
    for spread in SPREADS:
        own = [row for row in rows if row.spread == spread]
        mean = {
            name: np.mean([getattr(row, name) for row in own])
            for name in ("captured", "first_week", "last_week", "marginal", "uplift")
        }
        least = min(row.lift for row in own)
        lines.append(
            f"| {spread:g} | {mean['captured']:.2f} | {mean['first_week']:.2f} "
            f"| {mean['last_week']:.2f} | {least:+.1%} | {mean['marginal']:.0%} "
            f"| {mean['uplift']:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default=KINDS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="put the table into docs/model.md")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    jobs, rows = list(product(kinds, range(options.seeds))), list[Lived]()
    with ProcessPoolExecutor(options.processes) as pool:
        for lived in pool.map(live, jobs):
            rows += lived
            print(f"\r{len(rows)}/{len(jobs) * len(SPREADS)} loops", end="", flush=True)
    words = f"Kinds of markets: {', '.join(kinds)}; {options.seeds} of each:"
    text = f"{words}\n\n{table(rows)}"
    print(f"\n\n{text}")
    if options.write:
        document = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(fill(document, "spreads", text), encoding="utf-8")


if __name__ == "__main__":
    main()
