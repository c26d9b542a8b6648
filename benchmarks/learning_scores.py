"""Whether scores come to the truth: what plans are said to have earned against what they did.

    .venv/bin/python -m benchmarks.learning_scores [--seeds 12] [--nights 40] [--write]

In worlds whose truth is known our nights plan, spend and learn. Every tenth night, what all plans
so far earned beyond the old budgets is scored as `equimarginal score` does, and held against the
same world in which budgets were left alone. The worlds' seeds are others than those that the
score's one constant was read off.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.learning import table
from pipeline.core.forecast import HORIZONS, LEVELS, Forecast
from pipeline.core.types import FloatArray
from pipeline.response.maturity import learn_maturity
from pipeline.runs.decide import decide
from pipeline.runs.fitting import fit_models
from pipeline.runs.gain import judge
from pipeline.scoring.scores import Promised, Realised
from pipeline.scoring.value import Gain
from pipeline.simulation.loop import run_loop, run_static, world_maker
from pipeline.simulation.ours import facts_of
from pipeline.simulation.policies import Decision

KINDS = ("calm", "confounded", "drifting", "everything")
FIRST_SEED = 10
NIGHTS = (10, 20, 40)
HEAD = ("world", "nights", "truly earned", "score over truth", "typical miss", "half width",
        "90 % interval holds it", "told from nothing")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A score and the truth, in one world on one night."""

    night: int
    gain: Gain
    truth: float
    still: float

    @property
    def is_inside(self) -> bool:
        """Whether the interval holds the truth."""
        return self.gain.low <= self.truth <= self.gain.high


def scores(seeds: int, nights: int) -> list[tuple[str, ...]]:
    """Return a row per kind of world and night."""
    rows = []
    for kind in KINDS:
        found = [
            item for seed in range(seeds) for item in world_scores(kind, FIRST_SEED + seed, nights)
        ]
        for night in [night for night in NIGHTS if night <= nights]:
            rows.append(_row(kind, night, [item for item in found if item.night == night]))
            print(" | ".join(rows[-1]), flush=True)
    return rows


def world_scores(kind: str, seed: int, nights: int) -> list[Found]:
    """Return the scores of one world's plans."""
    make = world_maker(kind, seed, nights=nights + 1)
    world, promises, scored = make(), [], {}  # type: ignore[var-annotated]

    def choose(morning: Any) -> Decision:
        night = int(world.age - world.first_night)
        facts = facts_of(morning)
        if facts is None:
            return Decision(budgets=morning.current)
        models = fit_models(facts)
        # A night whose data are refused is scored on the next one that can be.
        for asked in NIGHTS:
            if night >= asked and asked not in scored and models.ahead is not None:
                scored[asked] = judge(models.ahead, promises, realised_of(facts)).gain
        decision = decide(facts, models)
        promises.append(_promise(morning, decision.budgets))
        return Decision(budgets=decision.budgets)

    ours = run_loop(world, choose, name="ours", nights=nights + 1).incremental
    still = run_static(make, nights + 1).incremental
    return [
        Found(
            night=night,
            gain=gain,
            truth=float((ours - still)[: gain.days].sum()),
            still=float(still[: gain.days].sum()),
        )
        for night, gain in scored.items()
        if gain is not None
    ]


def realised_of(facts: Any) -> Realised:
    """Return what came by then, as a night reads it."""
    history = facts.history
    maturity = learn_maturity(facts.vintages, len(history.days), history.outermost)
    return Realised(
        days=history.days,
        lines=history.lines,
        spend=history.spend,
        outcome=history.outcomes["revenue"],
        complete=maturity.share,
        trusted=history.trusted,
    )


def _row(kind: str, night: int, found: list[Found]) -> tuple[str, ...]:
    still = np.array([item.still for item in found])
    truth = np.array([item.truth for item in found]) / still
    scored = np.array([item.gain.gain for item in found]) / still
    half = np.array([item.gain.high - item.gain.gain for item in found]) / still
    return (
        kind,
        str(night),
        f"{truth.mean():+.1%}",
        f"{scored.sum() / truth.sum():.0%}",
        f"{np.sqrt(np.square(scored - truth).mean()):.1%}",
        f"{half.mean():.1%}",
        f"{np.mean([item.is_inside for item in found]):.0%} of {len(found)}",
        f"{np.mean([item.gain.is_told for item in found]):.0%}",
    )


def _promise(morning: Any, budgets: FloatArray) -> Promised:
    shape = (len(HORIZONS), budgets.size + 1)
    zero = np.zeros(shape)
    forecast = Forecast(
        metric="revenue",
        day=morning.day,
        lines=morning.history.lines,
        horizons=HORIZONS,
        spend=np.append(budgets, budgets.sum()),
        status_quo_spend=np.append(morning.current, morning.current.sum()),
        mean=zero,
        status_quo=zero,
        slope=zero,
        quantiles=np.zeros((*shape, len(LEVELS))),
    )
    return Promised(plan_id=morning.day.isoformat(), is_published=True, forecast=forecast)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--nights", type=int, default=40)
    given = parser.parse_args()
    print(table(HEAD, scores(given.seeds, given.nights)))


if __name__ == "__main__":
    main()
