"""How close the bundled portfolio's first night comes to the truth that its data were made from.

python -m benchmarks.example
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.portfolios import FIRST_NIGHT
from pipeline import open_portfolio, run_night
from pipeline.runs.signoff import approve_caps
from pipeline.simulation.example import example_world, write_example


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One night against the truth."""

    lines: int
    inside: int
    rank_agreement: float
    claimed: float
    claimed_low: float
    claimed_high: float
    true: float
    currency: str


def main() -> None:
    """Print the figures."""
    print(recovery())


def recovery() -> Recovery:
    """Run the first night of the bundled portfolio and compare it with its truth."""
    from scipy.stats import spearmanr

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_example(folder)
        portfolio = open_portfolio(folder)
        approve_caps(portfolio, None, "fin")
        plan = run_night(portfolio, FIRST_NIGHT)
    world, _ = example_world()
    world.begin_nights()
    order = {line: index for index, line in enumerate(world.truth.lines)}
    truth = world.true_marginal()
    rows = [
        (item.marginal_return, truth[order[tuple(item.line.values())]])
        for item in plan.lines
        if item.marginal_return is not None
    ]
    budgets = np.array([plan.budgets[line] for line in world.truth.lines])
    assert plan.uplift is not None
    return Recovery(
        lines=len(rows),
        inside=sum(bool(fit.p05 <= true <= fit.p95) for fit, true in rows),
        rank_agreement=float(spearmanr([fit.mean for fit, _ in rows], [t for _, t in rows])[0]),
        claimed=plan.uplift.mean,
        claimed_low=plan.uplift.p05,
        claimed_high=plan.uplift.p95,
        true=float(world.true_uplift(budgets)),
        currency=plan.currency,
    )


if __name__ == "__main__":
    main()
