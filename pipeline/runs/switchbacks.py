"""Switchback tests: designed on the past, their schedule drawn and recorded before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.panel import Panel
from pipeline.experiments.readout import ReadOut
from pipeline.experiments.switchback import (
    Schedule,
    SwitchbackDesign,
    design_switchback,
    draw_schedule,
    read_switchback,
)
from pipeline.runs.experiment_rules import check_alone, check_start
from pipeline.runs.portfolio import Portfolio
from pipeline.runs.signoff import acting, ready_ledger

if TYPE_CHECKING:
    from pipeline.io.ledger import ExperimentRecord

KIND = "switchback"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchbackWish:
    """What a switchback shall be like.

    Attributes:
        units: that are switched together.
        days: of the test; as many whole pairs of blocks as fit.
        spend_change: relative change of the units' money on treated days.
        excluded: units that are not held against the switched ones.
    """

    units: tuple[str, ...]
    days: int
    block_days: int
    washout_days: int
    alpha: float = 0.1
    power: float = 0.8
    effect: float | None = None
    spend_change: float = 1.0
    excluded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("--alpha", self.alpha), ("--power", self.power)):
            if not 0 < value < 1:
                raise UsageError(f"switchback {name}: got {value:g}, need between 0 and 1")
        if not self.units:
            raise UsageError("switchback: give --unit, the units that are switched")
        if both := sorted({*self.units} & {*self.excluded}):
            raise UsageError(
                f"switchback: unit {both[0]!r} is switched and excluded; leave one of them out"
            )


def design(panel: Panel, wish: SwitchbackWish, seed: int) -> SwitchbackDesign:
    """Return what a switchback would find and cost, from the past."""
    return design_switchback(
        panel.without(wish.excluded),
        wish.units,
        wish.days,
        wish.block_days,
        wish.washout_days,
        np.random.default_rng(seed),
        alpha=wish.alpha,
        power=wish.power,
        effect=wish.effect,
        spend_change=wish.spend_change,
    )


def assign(
    portfolio: Portfolio,
    panel: Panel,
    wish: SwitchbackWish,
    person: str,
    *,
    name: str,
    first_day: date,
    seed: int,
    scope: Mapping[str, str],
    unit_column: str,
    metric: str,
    data: Mapping[str, str],
) -> ExperimentRecord:
    """Draw which blocks are treated and record it, treated days by name.

    Raises:
        UsageError: it would start today or earlier, could find nothing, or another test treats its
            units or those that they are held against.
        NotAllowedError: the name is taken, or the person may not.
    """
    check_start(portfolio, name, first_day, scope)
    chosen = design(panel.until(first_day), wish, seed)
    schedule = draw_schedule(
        wish.days, wish.block_days, wish.washout_days, np.random.default_rng([seed, 1])
    )
    days = [first_day + timedelta(days=index) for index in range(schedule.days)]
    ledger = ready_ledger(portfolio)
    check_alone(
        ledger.experiments(portfolio.policy.portfolio),
        name,
        (days[0], days[-1]),
        unit_column,
        treated=wish.units,
        excluded=wish.excluded,
    )
    return ledger.record_assignment(
        name,
        {
            "kind": KIND,
            "from": first_day.isoformat(),
            "to": days[-1].isoformat(),
            "treated": list(wish.units),
            "treated_days": [
                day.isoformat() for index, day in enumerate(days) if schedule.is_treated(index)
            ],
            "block_days": wish.block_days,
            "washout_days": wish.washout_days,
            "blocks": list(schedule.treated),
            "excluded": list(wish.excluded),
            "alpha": wish.alpha,
            "least_effect": chosen.least_effect,
            "price": chosen.price,
            "seed": seed,
            "scope": dict(scope),
            "unit_column": unit_column,
            "metric": metric,
            "data": dict(data),
        },
        acting(portfolio, person, "assign experiment", name),
        portfolio.policy,
    )


def schedule_of(assignment: Mapping[str, Any]) -> Schedule:
    """Return the schedule that was recorded."""
    return Schedule(
        block_days=assignment["block_days"],
        washout_days=assignment["washout_days"],
        treated=tuple(assignment["blocks"]),
    )


def pairs_over(assignment: Mapping[str, Any], last_day: date) -> float:
    """Return the share of the test's pairs of blocks that are over."""
    schedule, first = schedule_of(assignment), date.fromisoformat(assignment["from"])
    over = ((last_day - first).days + 1) // (2 * schedule.block_days)
    return max(min(over / (len(schedule.treated) // 2), 1.0), 0.0)


def read(
    panel: Panel, assignment: Mapping[str, Any], alpha: float, excluded: Sequence[str]
) -> ReadOut:
    """Return what the pairs that are over showed, with the error that this look may spend."""
    first = date.fromisoformat(assignment["from"])
    return read_switchback(
        panel.without(excluded), assignment["treated"], first, schedule_of(assignment), alpha=alpha
    )
