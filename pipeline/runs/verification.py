"""The night's second look: the finished plan against what people decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.allocation.verify import RatioCheck, Rules, verify_plan
from pipeline.core.caps import Cap
from pipeline.core.findings import Finding
from pipeline.core.money import plain_money
from pipeline.core.plan import Mode, Plan
from pipeline.core.types import Line, in_scope
from pipeline.io.artefacts import RunFolder
from pipeline.runs.inputs import Inputs
from pipeline.runs.kept import fixed_on_purpose


def verify_night(work: RunFolder, inputs: Inputs, plan: Plan) -> list[Finding]:
    """Return what an independent check says of the plan; a FAIL must not be proposed.

    A plan that leaves budgets alone changes nothing, so only its amounts are looked at.
    """
    current = {
        tuple(item.line[column] for column in plan.line_columns): item.current
        for item in plan.lines
    }
    if plan.mode is Mode.FALLBACK or (plan.mode is Mode.HOLD and plan.expected is None):
        rules = Rules(
            columns=inputs.policy.line,
            currency=plan.currency,
            total=None,
            exactly=False,
            current=current,
        )
        return verify_plan(plan.budgets, rules)
    held = [line for line in current if _is_held(inputs, line)]
    rules = Rules(
        columns=inputs.policy.line,
        currency=plan.currency,
        total=plan.budget,
        exactly=True,
        caps=inputs.caps,
        current=current,
        max_change=inputs.policy.max_daily_change,
        held=held,
        checks=_guardrail_checks(work, inputs, plan),
    )
    return verify_plan(plan.budgets, rules)


def _is_held(inputs: Inputs, line: Line) -> bool:
    """Return whether a line may not move but as a cap that finance approved asks for."""
    if any(in_scope(line, inputs.policy.line, scope) for scope in inputs.held_scopes):
        return True
    return fixed_on_purpose(inputs.policy, inputs.trials, line, inputs.day)


def cap_breaches(
    budgets: Mapping[Line, float], caps: Sequence[Cap], columns: tuple[str, ...], currency: str
) -> list[str]:
    """Return every cap that a set of budgets breaks, in words."""
    broken = []
    for cap in caps:
        total = sum(amount for line, amount in budgets.items() if cap.covers(line, columns))
        name = f"cap {cap.id}: {plain_money(total, currency)} is"
        if cap.max is not None and total > cap.max + 1e-6:
            broken.append(f"{name} above max {plain_money(cap.max, currency)}")
        if cap.min is not None and total < cap.min - 1e-6:
            broken.append(f"{name} below min {plain_money(cap.min, currency)}")
        if cap.fixed is not None and abs(total - cap.fixed) > 1e-6:
            broken.append(f"{name} not the fixed {plain_money(cap.fixed, currency)}")
    return broken


def _guardrail_checks(work: RunFolder, inputs: Inputs, plan: Plan) -> list[RatioCheck]:
    from pipeline.runs import storage
    from pipeline.runs.guardrails import rail_name, ratio_of

    if not inputs.policy.guardrails or not work.exists(storage.POSTERIOR):
        return []
    models = storage.read_models(work)
    tables = {models.objective.table.metric: models.objective.table}
    tables |= {name: learned.table for name, learned in models.others.items()}
    missed = {
        (rail.metric, tuple(rail.scope.items()))
        for rail in plan.guardrails
        if rail.status != "pass"
    }
    checks = []
    for rail in inputs.policy.guardrails:
        over, per = ratio_of(rail.metric)
        known = all(part in {None, "spend"} or part in tables for part in (over, per))
        lines = tuple(
            line
            for line in tables[models.objective.table.metric].lines
            if in_scope(line, inputs.policy.line, rail.scope)
        )
        if not known or not lines or (rail.metric, tuple(rail.scope.items())) in missed:
            continue  # the plan says itself that it cannot meet this one tonight
        checks.append(
            RatioCheck(
                name=rail_name(rail),
                lines=lines,
                over=tables.get(over),
                per=None if per is None else tables.get(per),
                has_per=per is not None,
                min=rail.min,
                max=rail.max,
            )
        )
    return checks
