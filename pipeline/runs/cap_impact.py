"""What a cap would cost or bring, told with its proposal so that finance decides knowing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import ConfigError, InfeasibleError, NotFoundError, UndecidedError
from pipeline.core.types import in_scope
from pipeline.runs.portfolio import Portfolio

if TYPE_CHECKING:
    from pipeline.core.policy import CapSpec


def cap_impact(portfolio: Portfolio, spec: CapSpec) -> str:
    """Return in one sentence what the cap would change of the newest night's best split.

    Where no night has learned curves, or the cap contradicts other limits, the sentence says so:
    a cap may be proposed all the same.

    Raises:
        StorageError, DamagedError: ledger or run folder cannot be read; what a failing disk says is
            no fact about the cap, and would stand in its record for good.
    """
    from pipeline.io.artefacts import open_run
    from pipeline.runs import storage
    from pipeline.runs.decide import best_split
    from pipeline.runs.inputs import read_inputs
    from pipeline.runs.what_if import Change, changed_facts

    try:
        plan = portfolio.ledger.plan("latest", portfolio.policy.portfolio).plan
        run = open_run(portfolio.runs, plan.plan_id)
        if not run.exists(storage.POSTERIOR):
            return f"not known: the night of {plan.plan_id} learned no curves"
        facts, models = storage.read_facts(run, read_inputs(run)), storage.read_models(run)
        columns, lines = facts.policy.line, facts.history.lines
        if not any(in_scope(line, columns, spec.scope) for line in lines):
            return f"not known: no line of {plan.plan_id} is in its scope"
        before = best_split(facts, models).solution.spend
        after = best_split(changed_facts(facts, Change(caps=(spec,))), models).solution.spend
    except (NotFoundError, ConfigError, InfeasibleError, UndecidedError) as error:
        return f"not known: {error}"
    table = models.objective.table
    gained = table.at(after).sum(axis=1) - table.at(before).sum(axis=1)
    low, high = np.quantile(gained, [0.05, 0.95])
    moved = float(np.abs(after - before).max(initial=0.0))
    by = f"by the curves of {plan.plan_id}"
    if moved < 0.5 * 10.0**-plan.digits:
        return f"nothing today: the best split stays as it is, {by}"
    mean = float(gained.mean())
    if mean < 0:
        verb, mean, low, high = "costs", -mean, -high, -low
    else:
        verb = "brings"
    placed = float(np.maximum(after - before, 0.0).sum())
    taken = float(np.maximum(before - after, 0.0).sum())
    elsewhere = f"{max(placed, taken):,.{plan.digits}f} {plan.currency} would stand elsewhere"
    interval = f"90 % interval {low:+,.2f} to {high:+,.2f}"
    return f"{verb} about {mean:,.2f} {table.metric} a day ({interval}); {elsewhere}, {by}"
