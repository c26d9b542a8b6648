"""What another budget or another cap would earn, against the posterior that a night stored.

Reads a complete run and the ledger, writes nothing. The same limits, solver and curves as the
night's; caution and exploration are left out, because they answer another question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.allocation.goals import outcome_curve
from pipeline.core.caps import Cap, CapStatus
from pipeline.core.errors import UsageError
from pipeline.core.plan import Plan
from pipeline.core.policy import CapSpec
from pipeline.core.types import FloatArray, in_scope, scope_label
from pipeline.io.artefacts import open_run
from pipeline.runs import storage
from pipeline.runs.decide import BestSplit, Facts, Models, best_split
from pipeline.runs.inputs import read_inputs
from pipeline.runs.limits import attainable
from pipeline.runs.outlook import lift
from pipeline.runs.portfolio import Portfolio

CURVE_POINTS = 17
"""Budgets at which the picture's curve is solved; between them it is drawn straight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Other limits than tonight's, all at once.

    Attributes:
        budget: the day's money; None keeps it.
        caps: in place of the caps of the same scopes; a waiting one counts as approved.
        without: ids of caps in force that are lifted.
        ramp: the largest daily change of a line, a share; None keeps the policy's.
    """

    budget: float | None = None
    caps: tuple[CapSpec, ...] = ()
    without: tuple[str, ...] = ()
    ramp: float | None = None

    @property
    def is_none(self) -> bool:
        """Whether everything stays."""
        return self == Change()

    def words(self) -> str:
        """Return the change as people say it."""
        parts = [] if self.budget is None else [f"budget {self.budget:,.2f}"]
        for cap in self.caps:
            sides = {"min": cap.min, "max": cap.max, "fixed": cap.fixed}
            said = " ".join(f"{k} {v:,.2f}" for k, v in sides.items() if v is not None)
            parts.append(f"{scope_label(cap.scope)} {said}")
        parts += [f"without cap {name}" for name in self.without]
        parts += [] if self.ramp is None else [f"daily change up to {self.ramp:.0%}"]
        return ", ".join(parts) or "tonight's limits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One split of the day's money and what it is expected to earn.

    Attributes:
        outcome: (n_draws,), of the whole portfolio.
        best: how it was found; None where it was given.
    """

    name: str
    budgets: FloatArray
    outcome: FloatArray
    best: BestSplit | None = None

    @property
    def price(self) -> float | None:
        """What one more unit of budget would earn."""
        return None if self.best is None else self.best.solution.prices.get("budget", 0.0)

    @property
    def is_most(self) -> bool:
        """Whether the limits allow no more money, so that there is no next unit."""
        if self.best is None:
            return False
        most = attainable(self.best.limits)[1]
        return self.best.total >= most * (1 - 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapCost:
    """What one cap in force costs tonight, the other limits staying.

    Attributes:
        gain: outcome that the best split would earn more without it; None where there is none.
    """

    cap: Cap
    gain: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The best split of another budget."""

    budget: float
    outcome: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The answer: splits side by side, what caps cost, and the outcome-against-budget curve.

    Attributes:
        splits: today's budgets, the night's plan, the best split of tonight's limits, and the
            changed one where anything was changed.
        curve: under the changed limits, ascending.
    """

    plan: Plan
    metric: str
    facts: Facts
    splits: tuple[Split, ...]
    caps: tuple[CapCost, ...]
    curve: tuple[CurvePoint, ...]
    change: Change

    @property
    def base(self) -> Split:
        """The best split of tonight's limits."""
        return self.splits[2]

    @property
    def changed(self) -> Split:
        """The best split of the changed limits; the base where nothing was changed."""
        return self.splits[-1]


def what_if(portfolio: Portfolio, ref: str, change: Change) -> WhatIf:
    """Return what the change would do to a stored night.

    Args:
        ref: plan id, its unique beginning, or `latest`.

    Raises:
        UsageError: the night has no posterior, or the change names what does not exist.
        InfeasibleError: the changed limits contradict each other.
    """
    from pipeline.runs.signoff import existing_ledger

    plan = existing_ledger(portfolio).plan(ref, portfolio.policy.portfolio).plan
    run = open_run(portfolio.runs, plan.plan_id)
    if not run.exists(storage.POSTERIOR):
        raise UsageError(
            f"plan {plan.plan_id}: its night learned no curves ({plan.mode.value}); "
            "name the plan of a night that did, 'equimarginal plans' lists them"
        )
    inputs = read_inputs(run)
    facts, models = storage.read_facts(run, inputs), storage.read_models(run)
    base = best_split(facts, models)
    planned = np.array([plan.budgets[line] for line in facts.history.lines])
    splits = [
        _split("today's budgets", facts.current, models),
        _split("the night's plan", planned, models),
        _split("best inside tonight's limits", base.solution.spend, models, base),
    ]
    other, best = facts, base
    if not change.is_none:
        other = changed_facts(facts, change)
        best = best_split(other, models)
        splits.append(_split(change.words(), best.solution.spend, models, best))
    return WhatIf(
        plan=plan,
        metric=models.objective.table.metric,
        facts=facts,
        splits=tuple(splits),
        caps=tuple(_cap_cost(facts, models, base, cap) for cap in facts.caps),
        curve=_curve(best, [float(split.budgets.sum()) for split in splits]),
        change=change,
    )


def changed_facts(facts: Facts, change: Change) -> Facts:
    """Return the night's facts with other limits.

    Raises:
        UsageError: a scope holds no line, or a cap's id is not in force.
    """
    columns, lines = facts.policy.line, facts.history.lines
    for cap in change.caps:
        unknown = sorted(set(cap.scope) - set(columns))
        if unknown or not any(in_scope(line, columns, cap.scope) for line in lines):
            raise UsageError(
                f"what-if: no line is in {scope_label(cap.scope)}; "
                f"columns are {', '.join(columns)}, lines are listed by 'equimarginal plan'"
            )
    known = {cap.id for cap in facts.caps}
    for name in change.without:
        if name not in known:
            shown = ", ".join(sorted(known)) or "none"
            raise UsageError(f"what-if: no cap {name!r} is in force; in force: {shown}")
    scopes = [cap.scope for cap in change.caps]
    kept = [cap for cap in facts.caps if cap.id not in change.without and cap.scope not in scopes]
    policy = facts.policy
    if change.ramp is not None:
        policy = policy.model_copy(update={"max_daily_change": change.ramp})
    return replace(
        facts,
        policy=policy,
        caps=(*kept, *(_supposed(cap, number) for number, cap in enumerate(change.caps))),
        held_scopes=tuple(scope for scope in facts.held_scopes if scope not in scopes),
        wanted=facts.wanted if change.budget is None else change.budget,
    )


def _supposed(cap: CapSpec, number: int) -> Cap:
    return Cap(
        id=f"what-if {number + 1}",
        scope=cap.scope,
        min=cap.min,
        max=cap.max,
        fixed=cap.fixed,
        status=CapStatus.APPROVED,
        proposed_by="what-if",
    )


def _split(name: str, budgets: FloatArray, models: Models, best: BestSplit | None = None) -> Split:
    outcome = models.objective.table.total(budgets)
    return Split(name=name, budgets=budgets, outcome=outcome, best=best)


def _cap_cost(facts: Facts, models: Models, base: BestSplit, cap: Cap) -> CapCost:
    lifted = lift(facts, models, base.solution, cap)
    return CapCost(cap=cap, gain=None if lifted is None else lifted.gain)


def _curve(best: BestSplit, shown: Sequence[float]) -> tuple[CurvePoint, ...]:
    """Return what budgets around those shown would earn at most, limits otherwise the same."""
    low, high = attainable(best.limits)
    least, most = 0.8 * min(shown), 1.2 * max(shown)
    low, high = max(low, min(least, high)), min(high, max(most, low))
    if not high > low:
        return ()
    wanted = sorted({*np.linspace(low, high, CURVE_POINTS).tolist(), best.total})
    points = outcome_curve(best.problem, [w for w in wanted if low <= w <= high])
    return tuple(CurvePoint(budget=point.budget, outcome=point.outcome) for point in points)
