"""What the plan's page shows beyond the plan, gathered from the run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.plan import Interval
from pipeline.core.types import in_scope
from pipeline.io import warehouse
from pipeline.io.artefacts import RunFolder
from pipeline.runs import storage
from pipeline.runs.inputs import Inputs, read_inputs
from pipeline.runs.reports import sign_command, write_page

if TYPE_CHECKING:
    from pipeline.core.plan import Plan
    from pipeline.io.reports import LineExtras, Promise, ReportExtras, WaitingCap

PROMISE_DAYS = 14
"""Of earlier plans that the page lists; 'equimarginal score' knows more."""


def write_night_page(work: RunFolder) -> None:
    """Write the page of the night's plan into the run."""
    inputs, plan = read_inputs(work), storage.read_plan(work)
    write_page(work, plan, _extras(work, inputs, plan), sign_command(inputs.policy, plan))


def _extras(work: RunFolder, inputs: Inputs, plan: Plan) -> ReportExtras:
    from pipeline.io.reports import ReportExtras, line_extras

    lines: tuple[LineExtras, ...] = ()
    if work.exists(storage.POSTERIOR) and plan.expected is not None:
        models = storage.read_models(work)
        history = warehouse.read_history(work, inputs.policy)
        lines = line_extras(plan, models.objective.table, history)
    return ReportExtras(
        lines=lines,
        waiting_caps=_waiting(inputs, plan),
        previous=inputs.previous,
        promises=_promises(work),
    )


def _promises(work: RunFolder) -> tuple[Promise, ...]:
    """Return what the last plans promised for their own day, and what came so far."""
    from pipeline.io.reports import Promise
    from pipeline.runs.scoring import read_day_scores

    return tuple(
        Promise(
            day=seen.day,
            plan_id=seen.plan_id,
            promised=Interval(mean=seen.promised, p05=seen.p05, p95=seen.p95),
            realised=seen.came,
            adopted_share=seen.adopted_share,
            complete_share=seen.complete_share,
        )
        for seen in read_day_scores(work)[-PROMISE_DAYS:]
    )


def _waiting(inputs: Inputs, plan: Plan) -> tuple[WaitingCap, ...]:
    from pipeline.io.reports import WaitingCap

    rows = []
    for cap in inputs.waiting_caps:
        held = [
            amount
            for line, amount in plan.budgets.items()
            if dict(cap.scope) in inputs.held_scopes
            and in_scope(line, plan.line_columns, cap.scope)
        ]
        rows.append(
            WaitingCap(
                id=cap.id,
                scope=dict(cap.scope),
                proposed_by=cap.proposed_by,
                min=cap.min,
                max=cap.max,
                fixed=cap.fixed,
                reason=cap.reason,
                held_lines=len(held),
                held_money=float(sum(held)),
            )
        )
    return tuple(rows)
