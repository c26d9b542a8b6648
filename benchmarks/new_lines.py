"""What learning budgets of new lines cost and earn: whole loops of nights with and without them.

    python -m benchmarks.new_lines

Three lines in ten of each market began one to seven days before the first night.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from pipeline.core.types import FloatArray
from pipeline.runs.decide import decide
from pipeline.runs.fitting import fit_models
from pipeline.simulation.loop import captured, lift, run_loop, run_oracle, run_static
from pipeline.simulation.ours import facts_of
from pipeline.simulation.worlds import HISTORY_DAYS, NIGHTS, Morning, World
from pipeline.simulation.worlds.make import world_from
from pipeline.simulation.worlds.recipes import CALM, RECIPES

_NEW = replace(CALM, young=0.3, young_days=(1, 7), dispersion=0.03)
MARKETS = {
    "reported soon": _NEW,
    "reported late": replace(_NEW, reported=(0.25, 0.5, 0.85)),
    "two conversions a day": replace(
        RECIPES["sparse"], young=0.3, young_days=(1, 7), conversions=2.0
    ),
}
SHARES = (0.0, 0.1, 0.3)
SEEDS, PROCESSES = 4, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """One loop: what it captured, and its lift over standing still."""

    market: str
    share: float
    captured: float
    lift: float


def live(job: tuple[str, int]) -> list[Lived]:
    """Return how the nights of one market went with each share; in a process of its own."""
    market, seed = job

    def make() -> World:
        return world_from(market, MARKETS[market], seed, HISTORY_DAYS, NIGHTS)

    still, best = run_static(make), run_oracle(make)
    out = []
    for share in SHARES:
        found = run_loop(make(), _policy(share), name="ours")
        out.append(
            Lived(
                market=market,
                share=share,
                captured=captured(found, still, best),
                lift=lift(found, still),
            )
        )
    return out


def _policy(share: float) -> Callable[[Morning], FloatArray]:
    """Return the night's decision where new lines may keep so much of the money."""

    def decided(morning: Morning) -> FloatArray:
        facts = facts_of(morning)
        if facts is None:
            return morning.current
        rules = facts.policy.new_lines.model_copy(update={"max_share": share})
        policy = facts.policy.model_copy(update={"new_lines": rules})
        facts = replace(facts, policy=policy)
        return decide(facts, fit_models(facts)).budgets

    return decided


def table(rows: list[Lived]) -> str:
    """Return the means by market and share, as Markdown."""
    lines = [
        "| market | money that new lines may keep | captured | least lift |",
        "|---|---|---|---|",
    ]
    for market, share in product(MARKETS, SHARES):
        own = [row for row in rows if (row.market, row.share) == (market, share)]
        lines.append(
            f"| {market} | {share:.0%} | {np.mean([row.captured for row in own]):.2f} "
            f"| {min(row.lift for row in own):+.1%} |"
        )
    return "\n".join(lines)


def text(seeds: int, processes: int) -> str:
    """Return the measured table with what it counts, as Markdown."""
    jobs, rows = list(product(MARKETS, range(seeds))), list[Lived]()
    with ProcessPoolExecutor(processes) as pool:
        for lived in pool.map(live, jobs):
            rows += lived
            print(f"\r{len(rows)}/{len(jobs) * len(SHARES)} loops", end="", flush=True)
    print()
    return f"{seeds} of each market:\n\n{table(rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    options = parser.parse_args()
    print(text(options.seeds, options.processes))


if __name__ == "__main__":
    main()
