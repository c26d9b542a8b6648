"""Whether scores come to the truth: what past plans are said to have earned against what they did.

    .venv/bin/python -m benchmarks.learning_scores [--nights 40]

In worlds whose truth is known our nights plan, spend and learn. The plans of the first ten nights
are scored again on later nights, on the curves as known by then, as `equimarginal score` does.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.learning import table
from pipeline.core.forecast import HORIZONS, LEVELS, Forecast
from pipeline.runs.decide import decide, fit_models
from pipeline.scoring.scores import Promised, Realised
from pipeline.scoring.value import Worth, plan_worth
from pipeline.simulation.loop import run_loop, world_maker
from pipeline.simulation.ours import facts_of
from pipeline.simulation.policies import Decision

KINDS = ("calm", "confounded", "drifting", "everything")
FIRST = 10  # nights whose plans are scored again and again
HEAD = ("world", "first ten plans truly", "scored after 10 nights", "20", "30", "40",
        "missed a plan after 10", "40", "90 % interval after 40 holds it")  # fmt: skip


@dataclass
class _Ledger:
    """What was promised, what it was truly worth, and how it was scored on which night."""

    promises: list[Promised] = field(default_factory=list)
    truth: list[float] = field(default_factory=list)
    scored: dict[int, list[Worth]] = field(default_factory=dict)


def scores(nights: int) -> list[tuple[str, ...]]:
    """Return a row per world: gain a day of the first ten plans, true and as scored later."""
    rows = []
    for kind in KINDS:
        rows.append(_row(kind, nights))
        print(" | ".join(rows[-1]), flush=True)
    return rows


def _row(kind: str, nights: int) -> tuple[str, ...]:
    book = _Ledger()
    world = world_maker(kind, 0, nights=nights + 1)()

    def choose(morning: Any) -> Decision:
        facts = facts_of(morning)
        if facts is None:
            return Decision(budgets=morning.current)
        decision = decide(facts, fit_models(facts))
        book.scored[_night(world)] = plan_worth(
            book.promises[:FIRST], _realised(morning.history), decision.table
        )
        if len(book.promises) < FIRST:
            book.promises.append(_promise(morning, decision.budgets))
            book.truth.append(world.true_uplift(decision.budgets))
        return Decision(budgets=decision.budgets)

    run_loop(world, choose, name="ours", nights=nights + 1)
    truth = np.array(book.truth)
    cells, missed = [], {}
    for night in (10, 20, 30, 40):
        known = _latest(book, night)
        gain = np.array([item.gain for item in known])
        cells.append(f"{gain.sum() / truth.sum():.0%}")
        missed[night] = float(np.abs(gain - truth).mean() / np.abs(truth).mean())
    last = _latest(book, nights)
    held = np.mean([w.gain_p05 <= t <= w.gain_p95 for w, t in zip(last, truth, strict=True)])
    return (kind, f"{truth.mean():+,.0f}", *cells, f"{missed[10]:.0%}", f"{missed[40]:.0%}",
            f"{held:.0%}")  # fmt: skip


def _latest(book: _Ledger, night: int) -> list[Worth]:
    """Return the scores of all ten plans on a night, or the next one whose data were trusted."""
    whole = [n for n, found in book.scored.items() if len(found) == FIRST]
    return book.scored[min((n for n in whole if n >= night), default=max(whole))]


def _night(world: Any) -> int:
    return int(world.age - world.first_night)


def _promise(morning: Any, budgets: np.ndarray) -> Promised:
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


def _realised(history: Any) -> Realised:
    outcome = history.outcomes["revenue"]
    return Realised(
        days=history.days,
        lines=history.lines,
        spend=history.spend,
        outcome=outcome,
        complete=np.ones_like(outcome),
        trusted=history.trusted,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=40)
    print(table(HEAD, scores(parser.parse_args().nights)))


if __name__ == "__main__":
    main()
