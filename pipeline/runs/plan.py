"""A decision in the form that people sign: cents, intervals, prices and a reason per line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.caps import Cap
from pipeline.core.curves import SUMMED_LINES, ResponseTable
from pipeline.core.findings import Finding, worst_level
from pipeline.core.money import from_minor, minor_digits, to_minor
from pipeline.core.plan import (
    Certificate,
    Expected,
    Interval,
    Mode,
    ModelHealth,
    Plan,
    PlanCap,
    PlanGuardrail,
    PlanLine,
    PlanRename,
)
from pipeline.core.policy import Policy
from pipeline.core.types import FloatArray, Line, in_scope, line_label
from pipeline.runs.decide import Decision, Facts, Models
from pipeline.runs.guardrails import rail_name, ratio_of
from pipeline.runs.kpi import kpi_of
from pipeline.runs.learning import exploration_account, holdout_rows, kept_rows, new_lines
from pipeline.runs.limits import cap_name
from pipeline.runs.reasons import (
    TOUCH,
    Returns,
    action_of,
    binding_limits,
    hold_reason,
    lesson_change,
    reason_of,
)
from pipeline.runs.step import without_lessons
from pipeline.runs.uplift import (
    interval,
    intervals,
    left_unspent,
    number,
    other_total,
    split_of,
    uplift_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What identifies a plan before anything was decided."""

    plan_id: str
    inputs_hash: str
    caps_version: str
    based_on: str = ""


def optimised_plan(
    heading: Heading,
    facts: Facts,
    models: Models,
    decision: Decision,
    budgets: FloatArray,
    findings: Sequence[Finding],
) -> Plan:
    """Return the plan of a night whose data and model could be trusted.

    Args:
        budgets: (n_lines,), whole minor units.
    """
    table, current = decision.table, facts.current
    held = bool(
        np.all(np.abs(budgets - current) < 0.5 * 10.0 ** -minor_digits(facts.policy.currency))
    )
    before = table.total(current)
    # Less than a cent is residue: what keeps every budget cannot be better than itself.
    after = before if held else table.total(budgets)
    binding = binding_limits(facts, decision, budgets)
    health = (*models.objective.findings, *facts.watch.calibration())
    reasons = [
        *other_total(facts, budgets),
        *left_unspent(facts, decision, budgets),
        *decision.reasons,
    ]
    if held:
        reasons.append(hold_reason(facts, decision))
    return Plan(
        plan_id=heading.plan_id,
        portfolio=facts.policy.portfolio,
        date=facts.day,
        currency=facts.policy.currency,
        line_columns=facts.policy.line,
        mode=Mode.HOLD if held else Mode.OPTIMISED,
        reasons=tuple(reasons),
        budget=total_money(budgets, facts.policy.currency),
        expected=Expected(metric=table.metric, **interval(after).model_dump()),
        status_quo=interval(before),
        uplift=uplift_of(after - before),
        split=split_of(facts, decision, budgets),
        lines=tuple(_lines(facts, decision, budgets, binding)),
        caps=tuple(_cap(facts, decision, cap, budgets) for cap in facts.caps),
        caps_version=heading.caps_version,
        guardrails=guardrail_rows(facts, decision.table, decision.others, budgets, decision),
        kpi=kpi_of(facts, models),
        exploration=exploration_account(facts, decision),
        kept=kept_rows(facts, budgets),
        new_lines=new_lines(facts, decision),
        holdouts=holdout_rows(facts, models, decision),
        renamed=rename_rows(facts.policy, facts.names),
        findings=tuple(findings),
        model_health=ModelHealth(level=worst_level(health).value, checks=tuple(health)),
        certificate=Certificate(
            objective=number(decision.solution.objective),
            upper_bound=number(decision.solution.upper_bound),
            gap=number(decision.solution.gap),
        ),
        budget_price=number(decision.solution.prices.get("budget", 0.0)),
        inputs_hash=heading.inputs_hash,
        based_on=heading.based_on,
    )


def guardrail_rows(
    facts: Facts,
    table: ResponseTable,
    others: Mapping[str, ResponseTable],
    budgets: FloatArray,
    decision: Decision,
) -> tuple[PlanGuardrail, ...]:
    """Return every guardrail with what the plan and the status quo are expected to do to it."""
    tables = {table.metric: table, **others}
    rows = []
    for rail in facts.policy.guardrails:
        limit = float(rail.min if rail.min is not None else rail.max or 0.0)
        planned = _measured(facts, tables, rail.metric, rail.scope, budgets)
        today = _measured(facts, tables, rail.metric, rail.scope, facts.current)
        if planned is None:
            status = "not known"
        else:
            kept = planned >= limit if rail.min is not None else planned <= limit
            near = abs(planned - limit) <= 1e-4 * abs(limit)
            status = "pass" if kept or near else "fail"
        rows.append(
            PlanGuardrail(
                metric=rail.metric,
                limit=limit,
                kind="min" if rail.min is not None else "max",
                scope=dict(rail.scope),
                expected=None if planned is None else number(planned),
                current=None if today is None else number(today),
                status=status,
                shadow_price=number(decision.solution.prices.get(rail_name(rail), 0.0)),
            )
        )
    return tuple(rows)


def _measured(
    facts: Facts,
    tables: Mapping[str, ResponseTable],
    metric: str,
    scope: Mapping[str, str],
    budgets: FloatArray,
) -> float | None:
    members = [
        index
        for index, line in enumerate(facts.history.lines)
        if in_scope(line, facts.policy.line, scope)
    ]

    def total(column: str) -> float | None:
        if column == "spend":
            return float(budgets[members].sum())
        if column not in tables:
            return None
        found = tables[column]
        return float((found.at(budgets) + found.organic)[:, members].sum(axis=1).mean())

    over, per = ratio_of(metric)
    top = total(over)
    if per is None or top is None:
        return top
    bottom = total(per)
    return top / bottom if bottom else None


def _lines(
    facts: Facts,
    decision: Decision,
    budgets: FloatArray,
    binding: Sequence[tuple[str, ...]],
) -> Iterator[PlanLine]:
    """Yield the plan's lines; draws are looked up for some thousands of them at a time."""
    table = decision.table
    for first in range(0, budgets.size, SUMMED_LINES):
        block = slice(first, first + SUMMED_LINES)
        earned = intervals(table.at(budgets, block))
        returned = intervals(table.marginal(budgets, block))
        today, plain = (
            table.marginal(start, block).mean(axis=0).tolist()
            for start in (facts.current, without_lessons(facts))
        )
        for index, parts in enumerate(
            zip(earned, returned, today, plain, strict=True), start=first
        ):
            yield _line(facts, decision, index, budgets, *parts, binding[index])


def _line(
    facts: Facts,
    decision: Decision,
    index: int,
    budgets: FloatArray,
    earned: Interval,
    returned: Interval,
    today: float,
    plain: float,
    binding: tuple[str, ...],
) -> PlanLine:
    currency = facts.policy.currency
    line = facts.history.lines[index]
    now, proposed = _money(facts.current[index], currency), _money(budgets[index], currency)
    explored = _money(decision.explored[index], currency)
    lesson = _money(lesson_change(facts, decision)[index], currency)
    action = action_of(now, proposed, lesson)
    # What stays is worth what it was, to the digit.
    returns = Returns(
        now=returned.mean if now == proposed else today,
        then=returned.mean,
        plain=None if abs(today - plain) < 1e-9 else plain,
    )
    return PlanLine(
        line=dict(zip(facts.policy.line, line, strict=True)),
        current=now,
        proposed=proposed,
        expected=earned,
        # A name that nobody uses any more has no next unit of money.
        marginal_return=None if line in facts.names else returned,
        binding=binding,
        action=action,
        reason=reason_of(facts, decision, index, action, returns, binding),
        exploration=explored,
    )


def _cap(facts: Facts, decision: Decision, cap: Cap, budgets: FloatArray) -> PlanCap:
    touch = TOUCH * 10.0 ** -minor_digits(facts.policy.currency)
    members = [
        index
        for index, line in enumerate(facts.history.lines)
        if in_scope(line, facts.policy.line, cap.scope)
    ]
    total = float(budgets[members].sum())
    sides = [
        side
        for side, limit, touched in (
            ("max", cap.max, cap.max is not None and total >= cap.max - touch),
            ("min", cap.min, bool(cap.min) and total <= (cap.min or 0) + touch),
            ("fixed", cap.fixed, cap.fixed is not None),
        )
        if limit is not None and touched and members
    ]
    price = 0.0
    for side in sides:
        name = cap_name(cap, side, facts.policy.line)
        label = line_label(facts.history.lines[members[0]])
        prices = decision.solution.prices
        price = prices.get(name, prices.get(f"{label}: {name}", 0.0)) or price
    return plain_cap(cap).model_copy(update={"binding": bool(sides), "shadow_price": number(price)})


def rename_rows(policy: Policy, names: Mapping[Line, Line]) -> tuple[PlanRename, ...]:
    """Return the lines that had another name as the plan lists them.

    Args:
        names: former name -> name now.
    """
    return tuple(
        PlanRename(
            line=dict(zip(policy.line, new, strict=True)),
            was=dict(zip(policy.line, old, strict=True)),
        )
        for old, new in sorted(names.items())
    )


def plain_cap(cap: Cap) -> PlanCap:
    """Return a cap in force as the plan lists it, without a price."""
    return PlanCap(
        id=cap.id,
        scope=dict(cap.scope),
        min=cap.min,
        max=cap.max,
        fixed=cap.fixed,
        approved_by=cap.decided_by,
    )


def _money(amount: float, currency: str) -> float:
    return from_minor(to_minor(float(amount), currency), currency)


def total_money(budgets: FloatArray, currency: str) -> float:
    """Return the exact total of budgets in whole minor units."""
    return from_minor(sum(to_minor(float(item), currency) for item in budgets), currency)
