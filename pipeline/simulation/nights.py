"""Whole nights inside a simulated world: files in, plan out, signed by its analyst."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.clock import fixed_clock
from pipeline.core.errors import DataNotTrustedError
from pipeline.core.plan import Plan
from pipeline.core.types import FloatArray
from pipeline.io.stores import write_file
from pipeline.runs.portfolio import CONFIG_NAME, Portfolio, open_portfolio
from pipeline.simulation.files import LINE_COLUMNS, outcomes_csv, spend_csv
from pipeline.simulation.policies import Decision
from pipeline.simulation.worlds import Morning, World
from pipeline.simulation.worlds.world import RAMP_SHARE

ANALYST, FINANCE = "ana", "fin"
NIGHT_HOUR = time(5, tzinfo=UTC)


class WholeNights:
    """A policy that runs the real night on files and signs every plan.

    Attributes:
        plans: of the nights so far, oldest first; None where there was no plan.
    """

    def __init__(self, world: World, folder: Path) -> None:
        """Write the world's portfolio into an empty folder.

        Args:
            world: to be decided for, on its first morning.
            folder: of the portfolio.
        """
        self.plans: list[Plan | None] = []
        self._world, self._folder = world, folder
        write_file(folder / CONFIG_NAME, _config(world))

    def __call__(self, morning: Morning) -> Decision:
        """Return the budgets of the night's plan, or the current ones where there is no plan."""
        from pipeline.runs.night import run_night
        from pipeline.runs.signoff import approve_caps, approve_plan

        self._write_sources(morning)
        clock = fixed_clock(datetime.combine(morning.day, NIGHT_HOUR))
        portfolio: Portfolio = open_portfolio(self._folder, clock)
        if not self.plans:
            approve_caps(portfolio, None, FINANCE)
        try:
            plan = run_night(portfolio, morning.day)
        except DataNotTrustedError:
            self.plans.append(None)
            return Decision(budgets=morning.current)
        approve_plan(portfolio, plan.plan_id, ANALYST)
        self.plans.append(plan)
        return _decision(plan, morning)

    def _write_sources(self, morning: Morning) -> None:
        world = self._world
        budgets = world.budgets[: world.age].copy()
        budgets[world.first_night - 1] = world.start  # what stood on the first night
        data = self._folder / "data"
        write_file(data / "spend.csv", spend_csv(morning.history, budgets, "EUR"))
        write_file(data / "outcomes.csv", outcomes_csv(morning.history))


def _decision(plan: Plan, morning: Morning) -> Decision:
    proposed = plan.budgets
    by_line = {tuple(item.line[c] for c in plan.line_columns): item for item in plan.lines}
    marginal = [by_line[line].marginal_return for line in morning.history.lines]
    claims: FloatArray | None = None
    if all(item is not None for item in marginal):
        claims = np.array([[m.mean, m.p05, m.p95] for m in marginal if m is not None])
    up = plan.uplift
    return Decision(
        budgets=np.array([proposed[line] for line in morning.history.lines]),
        marginal=claims,
        uplift=None if up is None else (up.mean, up.p05, up.p95),
        probability_positive=None if up is None else up.better,
    )


def _config(world: World) -> bytes:
    import yaml

    floor, cap = world.caps()
    caps: list[dict[str, Any]] = [
        {
            "scope": dict(zip(LINE_COLUMNS, line, strict=True)),
            "min": round(float(floor[i]), 2),
            "max": round(float(cap[i]), 2),
        }
        for i, line in enumerate(world.truth.lines)
    ]
    config = {
        "portfolio": f"{world.truth.kind.replace('_', '-')}-{world.truth.seed}",
        "currency": "EUR",
        "timezone": "UTC",
        "line": list(LINE_COLUMNS),
        "budget": {"daily": round(float(np.round(world.start, 2).sum()), 2)},
        "max_daily_change": RAMP_SHARE,
        "caps": caps,
        "people": {"analysts": [ANALYST], "finance": [FINANCE]},
        "sources": {
            "spend": {"path": "data/spend.csv"},
            "outcomes": {"path": "data/outcomes.csv"},
        },
    }
    text: str = yaml.safe_dump(config, sort_keys=False)
    return text.encode("utf-8")
