"""Guardrails of the policy in the words of the allocation problem.

A guardrail speaks of what is reported: organic and incremental outcomes together, expected over
the posterior. `roas` is revenue over spend, `cost_per_X` spend over X, `spend` money itself, and
any other name that outcome's total.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

from pipeline.allocation.problem import OUTCOME, SPEND, Guardrail, Problem, Quantity
from pipeline.allocation.solve import solve
from pipeline.core.curves import ResponseTable
from pipeline.core.errors import InfeasibleError, UndecidedError
from pipeline.core.policy import Guardrail as Rail
from pipeline.core.policy import Policy
from pipeline.core.types import FloatArray, IntArray, Line, in_scope, scope_label

_COUNTED = {"conversion": "conversions", "acquisition": "conversions", "action": "conversions"}
_EASING_STEPS = 13  # leaves less than a thousandth of the gap


def rail_name(rail: Rail) -> str:
    """Return a guardrail as people read it: `roas min 1.5 (channel=social)`."""
    side, limit = ("min", rail.min) if rail.min is not None else ("max", rail.max)
    scope = f" ({scope_label(rail.scope)})" if rail.scope else ""
    return f"{rail.metric} {side} {limit:g}{scope}"


def ratio_of(metric: str) -> tuple[str, str | None]:
    """Return numerator and denominator of a guardrail metric, as column names."""
    if metric in {"roas", "mroas", "iroas"}:
        return "revenue", SPEND
    if metric in {"cac", "cpa"}:
        return SPEND, "conversions"
    if metric.startswith("cost_per_"):
        counted = metric.removeprefix("cost_per_")
        return SPEND, _COUNTED.get(counted, counted)
    return metric, None


def guardrail_metrics(policy: Policy) -> set[str]:
    """Return every outcome column that the guardrails need a model of."""
    wanted: set[str] = set()
    for rail in policy.guardrails:
        wanted |= {part for part in ratio_of(rail.metric) if part not in {None, SPEND}}
    return wanted


def guardrails_of(
    policy: Policy,
    lines: Sequence[Line],
    table: ResponseTable,
    others: Mapping[str, ResponseTable],
) -> tuple[Guardrail, ...]:
    """Return the policy's guardrails for the solver."""
    tables = {table.metric: table, **others}

    def quantity(column: str, members: IntArray) -> Quantity:
        if column == SPEND:
            return Quantity(metric=SPEND, members=members)
        organic = tables[column].organic.mean(axis=0)
        name = OUTCOME if column == table.metric else column
        return Quantity(metric=name, members=members, constant=float(organic[members].sum()))

    rails = []
    for rail in policy.guardrails:
        over, per = ratio_of(rail.metric)
        members = np.array(
            [i for i, line in enumerate(lines) if in_scope(line, policy.line, rail.scope)],
            dtype=np.int64,
        )
        known = all(part in {None, SPEND} or part in tables for part in (over, per))
        if members.size == 0 or not known:
            continue
        rails.append(
            Guardrail(
                id=rail_name(rail),
                over=quantity(over, members),
                per=None if per is None else quantity(per, members),
                min=rail.min,
                max=rail.max,
            )
        )
    return tuple(rails)


def loosened(problem: Problem, current: FloatArray) -> tuple[Problem, tuple[str, ...]]:
    """Return the problem with each guardrail as tight as tonight's other limits allow.

    A guardrail that counted work finds no plan for is eased like one that has none.

    Raises:
        InfeasibleError: no split of the budget, ramp aside, could keep the guardrails; the
            policy contradicts itself.
    """
    wide = problem.changed(
        guardrails=problem.guardrails,
        lower=np.where(problem.lower == problem.upper, problem.lower, 0.0),
        upper=np.where(
            problem.lower == problem.upper, problem.upper, np.maximum(3 * current, problem.upper)
        ),
        limit_names={},
    )
    try:
        with suppress(UndecidedError):
            solve(wide)
    except InfeasibleError as error:
        clash = [rail.id for rail in problem.guardrails if rail.id in " ".join(error.conflict)]
        names = clash or [rail.id for rail in problem.guardrails]
        raise InfeasibleError(
            f"guardrails: no split of {problem.budget:.2f} a day keeps {', '.join(names)}, "
            "even without the daily change limit; loosen a guardrail or lower the budget",
            conflict=error.conflict,
        ) from error
    kept: list[Guardrail] = []
    reasons = []
    for rail in problem.guardrails:
        eased = _tightest(problem, tuple(kept), rail, current)
        kept.append(eased)
        if eased.limit != rail.limit:
            reasons.append(
                f"guardrail {rail.id} cannot be met tonight inside the other limits; "
                f"the plan goes as far as {eased.limit:.4g}"
            )
    return problem.changed(guardrails=tuple(kept)), tuple(reasons)


def _tightest(
    problem: Problem, kept: tuple[Guardrail, ...], rail: Guardrail, current: FloatArray
) -> Guardrail:
    if _feasible(problem, (*kept, rail)):
        return rail
    reached = problem.ratio(rail, np.clip(current, problem.lower, problem.upper))
    start = rail.limit if reached is None else reached
    slack = 0.5 * abs(start) + abs(start - rail.limit)
    loose, tight = start - rail.sign * slack, rail.limit
    for _ in range(_EASING_STEPS):
        middle = (loose + tight) / 2
        if _feasible(problem, (*kept, _with_limit(rail, middle))):
            loose = middle
        else:
            tight = middle
    eased = _with_limit(rail, loose)
    if not _feasible(problem, (*kept, eased)):
        raise InfeasibleError(
            f"guardrail {rail.id}: cannot be met together with the other limits; "
            "loosen the guardrail or the caps",
            conflict=(rail.id,),
        )
    return eased


def _with_limit(rail: Guardrail, limit: float) -> Guardrail:
    low = rail.min is not None
    return Guardrail(
        id=rail.id,
        over=rail.over,
        per=rail.per,
        min=limit if low else None,
        max=None if low else limit,
    )


def _feasible(problem: Problem, rails: tuple[Guardrail, ...]) -> bool:
    try:
        solve(problem.changed(guardrails=rails))
    except (InfeasibleError, UndecidedError):
        return False
    return True
