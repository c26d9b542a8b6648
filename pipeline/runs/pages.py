"""What the plan's page shows beyond the plan, gathered from the run folder."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING

from pipeline.core.plan import Interval
from pipeline.core.types import JsonObject, in_scope
from pipeline.io import warehouse
from pipeline.io.artefacts import RunFolder
from pipeline.runs import storage
from pipeline.runs.inputs import BESIDE, Inputs, read_inputs
from pipeline.runs.reports import sign_command, write_page

if TYPE_CHECKING:
    from pipeline.core.plan import Plan
    from pipeline.io.reports import (
        Brought,
        LineExtras,
        Promise,
        ReportExtras,
        Running,
        WaitingCap,
    )

PROMISE_DAYS = 14
"""Of earlier plans that the page lists; 'equimarginal score' knows more."""


def write_night_page(work: RunFolder) -> None:
    """Write the page of the night's plan into the run."""
    inputs, plan = read_inputs(work), storage.read_plan(work)
    extras = _extras(work, inputs, plan)
    write_page(work, plan, extras, sign_command(inputs.policy, plan))


def _extras(work: RunFolder, inputs: Inputs, plan: Plan) -> ReportExtras:
    from pipeline.io.reports import Frontier, ReportExtras
    from pipeline.runs.month import month_so_far

    outlook = storage.read_outlook(work)
    others = outlook.other_budgets if outlook else None
    beside = work.read_json(BESIDE) if work.exists(BESIDE) else {}
    pacing = None
    if work.exists(warehouse.LINE_DAY):
        facts = warehouse.read_likely_facts(work)
        pacing = month_so_far(facts, inputs.policy, plan.date, plan.budget)
    return ReportExtras(
        lines=_curves(work, inputs, plan),
        waiting_caps=_waiting(inputs, plan),
        cap_costs=dict(outlook.cap_costs) if outlook else {},
        frontier=None
        if others is None
        else Frontier(**{name: tuple(values) for name, values in asdict(others).items()}),
        pacing=pacing,
        exploration_cost=outlook.learning_cost if outlook else None,
        previous=inputs.previous,
        promises=_promises(work),
        brought=_brought(work, inputs),
        experiments=_experiments(beside, plan),
        is_paused=bool(beside.get("is_paused")),
        expires=_expiry(inputs, plan),
        sign_link=storage.sign_link(work),
    )


def _promises(work: RunFolder) -> tuple[Promise, ...]:
    """Return what the last plans promised for the first days they forecast, and what came."""
    from pipeline.io.reports import Promise
    from pipeline.runs.scoring import read_day_scores

    return tuple(
        Promise(
            day=seen.day,
            days=seen.days,
            plan_id=seen.plan_id,
            promised=Interval(mean=seen.promised, p05=seen.p05, p95=seen.p95),
            realised=seen.came,
            adopted_share=seen.adopted_share,
            complete_share=seen.complete_share,
        )
        for seen in read_day_scores(work)[-PROMISE_DAYS:]
    )


def _brought(work: RunFolder, inputs: Inputs) -> Brought | None:
    """Return what the last plans brought and missed; None before the first, or without curves."""
    from pipeline.io.reports import Brought
    from pipeline.runs.scoring import past_gain

    judged = past_gain(work, inputs)
    if not judged.worths:
        return None
    gain = judged.gain
    known = Interval(mean=0.0, p05=0.0, p95=0.0)
    if gain is not None:
        known = Interval(mean=gain.gain, p05=gain.low, p95=gain.high)
    return Brought(
        plans=len(judged.published),
        days=0 if gain is None else gain.days,
        first_day=judged.worths[0].day,
        gain=known,
        planned=known.mean + judged.missed,
        otherwise=judged.otherwise,
        unsigned=judged.missed_unsigned,
        unsigned_plans=len(judged.unsigned),
    )


def _experiments(beside: JsonObject, plan: Plan) -> tuple[Running, ...]:
    """Return the lift tests that are not over on the plan's day."""
    from pipeline.io.reports import Running

    found = []
    for item in beside.get("experiments", ()):
        if item.get("kind") == "holdout":
            continue  # a section of its own says what it costs and shows
        first = date.fromisoformat(item["from"])
        last = date.fromisoformat(item.get("ended") or item["to"])
        if last < plan.date:
            continue
        found.append(
            Running(
                name=item["name"],
                first_day=first,
                last_day=last,
                units=len(item["treated"]),
                scope=item["scope"],
                price=item["price"],
                state="running" if first <= plan.date else "to come",
            )
        )
    return tuple(found)


def _curves(work: RunFolder, inputs: Inputs, plan: Plan) -> tuple[LineExtras, ...]:
    from pipeline.io.reports import line_extras
    from pipeline.runs.weeks import past_weeks

    if not work.exists(storage.POSTERIOR) or plan.expected is None:
        return ()
    table = storage.read_models(work).objective.table
    history = warehouse.read_history(work, inputs.policy).under_new_names(plan.names)
    return line_extras(plan, table, history, past_weeks(history, table))


def _expiry(inputs: Inputs, plan: Plan) -> str:
    """Return until when the ledger takes a signature, in words that hold whenever it is read."""
    from pipeline.io.reports.words import long_day

    return (
        f"the end of {long_day(plan.date)} ({inputs.policy.timezone}), "
        "and for at least 24 hours after it was proposed"
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
                impact=cap.impact,
                held_lines=len(held),
                held_money=float(sum(held)),
            )
        )
    return tuple(rows)
