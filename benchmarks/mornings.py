"""What a day should count: single mornings of simulated markets, under several weights.

    python -m benchmarks.mornings --seeds 2 --write

A market is lived by our own decisions; on the first, eleventh and thirty-first morning the curves
are fitted once per weight and held against the truth: how many 90 % intervals hold it, and what the
best split of the curves would truly earn of what there is to earn within reach.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import pipeline.response.sweep as sweeps
from benchmarks.numbers import fill
from pipeline.runs.decide import decide
from pipeline.runs.fitting import fit_models
from pipeline.simulation.ours import facts_of
from pipeline.simulation.worlds import TUNED_KINDS, make_world
from pipeline.simulation.worlds.optimum import best_split
from pipeline.simulation.worlds.world import World

NIGHTS = (0, 10, 30)
REFIT_EVERY = 5
WEIGHTS = (0.5, 0.7, 1.0)
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "model.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One morning under one weight: what was held by its interval, and gains over today's value."""

    marginal: float
    value: float
    gain: bool
    earned: float
    reachable: float


def score(world: World) -> Score | None:
    """Return how the curves of this morning compare with the truth; None on a refused morning."""
    morning = world.morning()
    facts = facts_of(morning)
    if facts is None:
        return None
    learned = fit_models(facts).objective
    current, table = morning.current, learned.table
    least, most = world.caps()
    low, high = np.maximum(least, 0.5 * current), np.minimum(most, 1.6 * current)
    knots = np.linspace(low, high, 41, axis=1)
    curves = zip(knots, table.spend, learned.mean, strict=True)
    mean = np.stack([np.interp(*curve) for curve in curves])
    total = float(current.sum())
    ours = best_split(knots, mean, total, low, high)
    best = best_split(knots, world.true_values(knots), total, low, high)
    step = 0.05 * current
    slope = (table.at(current + step) - table.at(current - step)) / (2 * step)
    below = (slope < world.true_marginal()).mean(axis=0)
    true_value = world.true_values(current[:, None])[:, 0]
    value = (table.at(current) < true_value).mean(axis=0)
    gain = (table.at(ours) - table.at(current)).sum(axis=1)
    rank = (gain < world.true_uplift(ours)).mean()
    return Score(
        marginal=float(np.mean((below > 0.05) & (below < 0.95))),
        value=float(np.mean((value > 0.05) & (value < 0.95))),
        gain=bool(0.05 < rank < 0.95),
        earned=world.true_uplift(ours) / true_value.sum(),
        reachable=world.true_uplift(best) / true_value.sum(),
    )


def mornings(kind: str, seed: int) -> dict[tuple[float, int], Score]:
    """Return the scores of one market, by weight and night."""
    world, found, models = make_world(kind, seed, nights=max(NIGHTS) + 1), {}, None
    shipped = sweeps.DAY_WEIGHT
    for night in range(max(NIGHTS) + 1):
        morning = world.morning()
        if night in NIGHTS:
            for weight in WEIGHTS:
                sweeps.DAY_WEIGHT = weight
                scored = score(world)
                if scored is not None:
                    found[weight, night] = scored
            sweeps.DAY_WEIGHT = shipped
        world.take_snapshot()
        facts = facts_of(morning)
        if facts is not None and (models is None or night % REFIT_EVERY == 0):
            models = fit_models(facts)
        world.live(morning.current if facts is None else decide(facts, models).budgets)
    return found


def table(rows: list[dict[tuple[float, int], Score]]) -> str:
    """Return the scores by weight, as Markdown."""
    lines = [
        "| weight of a day | marginal returns held | values held | gains held "
        "| earned, first morning | eleventh | thirty-first |",
        "|---|---|---|---|---|---|---|",
    ]
    for weight in WEIGHTS:
        own = [score for row in rows for (w, _), score in row.items() if w == weight]
        cells = [
            f"{np.mean([s.marginal for s in own]):.0%}",
            f"{np.mean([s.value for s in own]):.0%}",
            f"{np.mean([s.gain for s in own]):.0%}",
        ]
        for night in NIGHTS:
            those = [row[weight, night] for row in rows if (weight, night) in row]
            earned, reachable = (sum(getattr(s, n) for s in those) for n in ("earned", "reachable"))
            cells.append(f"{earned / reachable:.2f}")
        lines.append(f"| {weight:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="put the table into docs/model.md")
    options = parser.parse_args()
    kinds = [kind for kind in TUNED_KINDS if kind != "wide"]
    rows = []
    for kind in kinds:
        for seed in range(options.seeds):
            rows.append(mornings(kind, seed))
            print(f"\r{len(rows)}/{len(kinds) * options.seeds} markets", end="", flush=True)
    text = f"{len(kinds)} kinds of markets, {options.seeds} seeds each:\n\n{table(rows)}"
    print(f"\n\n{text}")
    if options.write:
        document = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(fill(document, "mornings", text), encoding="utf-8")


if __name__ == "__main__":
    main()
