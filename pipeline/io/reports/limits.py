"""Caps and guardrails as finance reads them: how full, what they cost, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.money import sum_money
from pipeline.core.plan import Plan, PlanCap, PlanGuardrail
from pipeline.core.types import in_scope
from pipeline.io.reports.extras import ReportExtras, WaitingCap
from pipeline.io.reports.words import (
    is_known,
    money,
    number,
    plural,
    scope_words,
    sentence,
)

IDLE = 1e-6  # of the best marginal return: a price of money below says that nothing may take it


@dataclass(frozen=True, slots=True, kw_only=True)
class CapView:
    """A cap in force. `fill` is the used share of its most as a row percentage, or None.

    `cost` is what it costs a day, empty where that is not known; `price` says the rest.
    """

    id: str
    scope: str
    limit: str
    used: float | None
    fill: str | None
    is_binding: bool
    cost: str
    price: str
    approved_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingView:
    """A cap that waits for finance, and what is held until then."""

    id: str
    scope: str
    limit: str
    proposed_by: str
    reason: str
    impact: str
    held: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailView:
    """A guardrail and where the plan stands to it."""

    metric: str
    scope: str
    limit: str
    expected: float | None
    current: float | None
    status: str
    price: str


def cap_views(plan: Plan, extras: ReportExtras) -> list[CapView]:
    """Return the caps in force, the dearest first."""
    caps = sorted(plan.caps, key=lambda c: (not c.binding, -abs(c.shadow_price), c.id))
    return [_cap_view(plan, cap, extras.cap_costs.get(cap.id)) for cap in caps]


def waiting_views(plan: Plan, waiting: Sequence[WaitingCap]) -> list[WaitingView]:
    """Return the caps that finance has not decided."""
    return [
        WaitingView(
            id=cap.id,
            scope=scope_words(cap.scope, plan.line_columns),
            limit=limit_words(cap.min, cap.max, cap.fixed, plan.currency),
            proposed_by=cap.proposed_by,
            reason=cap.reason,
            impact=sentence(cap.impact),
            held=_held(cap, plan.currency),
        )
        for cap in waiting
    ]


def guardrail_views(plan: Plan) -> list[GuardrailView]:
    """Return the guardrails, those in trouble first."""
    order = {"fail": 0, "review": 1}
    rails = sorted(plan.guardrails, key=lambda g: (order.get(g.status, 2), g.metric))
    return [
        GuardrailView(
            metric=rail.metric.replace("_", " "),
            scope=scope_words(rail.scope, plan.line_columns),
            limit=f"{'at least' if rail.kind == 'min' else 'at most'} {number(rail.limit)}",
            expected=rail.expected,
            current=rail.current,
            status=rail.status,
            price=_rail_price(plan, rail),
        )
        for rail in rails
    ]


def stopped_by(plan: Plan) -> str:
    """Return the limits that let no line take more money tonight; empty where one may.

    The price of money is then nothing, which says that no more of it can be placed, not that it
    would earn nothing.
    """
    best = max(
        (line.marginal_return.mean for line in plan.lines if line.marginal_return), default=0
    )
    today = sum_money([line.current for line in plan.lines], plan.currency)
    is_idle = plan.budget_price is not None and plan.budget_price <= IDLE * best
    if not is_idle or plan.budget < today or not all(line.binding for line in plan.lines):
        return ""
    named = {
        "the daily change limit" if name == "ramp" else "caps" if name.startswith("cap ") else name
        for line in plan.lines
        for name in line.binding
    }
    return " and ".join(sorted("holds" if name == "held" else name for name in named))


def limit_words(least: float | None, most: float | None, fixed: float | None, currency: str) -> str:
    """Return `100.00 to 900.00`, `at most 5,000.00`, `at least 100.00` or `exactly 1,000.00`."""
    if fixed is not None:
        return f"exactly {money(fixed, currency)}"
    if least is not None and most is not None:
        return f"{money(least, currency)} to {money(most, currency)}"
    if most is not None:
        return f"at most {money(most, currency)}"
    return f"at least {money(least, currency)}"


def _cap_view(plan: Plan, cap: PlanCap, cost: float | None) -> CapView:
    used = sum_money(
        [
            amount
            for line, amount in plan.budgets.items()
            if in_scope(line, plan.line_columns, cap.scope)
        ],
        plan.currency,
    )
    ceiling = cap.fixed if cap.fixed is not None else cap.max
    return CapView(
        id=cap.id,
        scope=scope_words(cap.scope, plan.line_columns),
        limit=limit_words(cap.min, cap.max, cap.fixed, plan.currency),
        used=used,
        fill=f"{100 * min(used / ceiling, 1.0):.1f}%" if ceiling else None,
        is_binding=cap.binding,
        cost=_cap_cost(plan, cap, cost),
        price=_cap_price(plan, cap, used, cost),
        approved_by=cap.approved_by,
    )


def _cap_cost(plan: Plan, cap: PlanCap, cost: float | None) -> str:
    if plan.certificate is None:
        return ""
    if not cap.binding or (cap.fixed is not None and cap.shadow_price == 0):
        return "nothing"
    return f"about {number(cost)}" if cost is not None and is_known(cost) else ""


def _cap_price(plan: Plan, cap: PlanCap, used: float, cost: float | None) -> str:
    if plan.certificate is None:
        return "Its price is not known tonight."
    if not cap.binding:
        return "The plan would be the same without it."
    metric = _metric(plan)
    if not is_known(cap.shadow_price):
        return "Holds the plan back; its price is not known."
    if cap.fixed is not None and cap.shadow_price == 0:
        return "Fixed by agreement; not optimised."
    price = abs(cap.shadow_price)
    is_floor = _holds_up(cap, used)
    change = "less" if is_floor else "more"
    text = f"One {plan.currency} {change} of it would earn {number(price)} {metric}."
    if cost is not None and is_known(cost):
        return text
    step = 0.1 * (cap.fixed if cap.fixed is not None else used)
    loosen = "Lowering" if is_floor else "Raising"
    if step > 0 and price > 0:
        text += f" {loosen} it by 10% would earn at most about {number(price * step)} a day."
    return text


def _holds_up(cap: PlanCap, used: float) -> bool:
    """Return whether it is the cap's least that binds, not its most."""
    if cap.fixed is not None or cap.min is None:
        return cap.shadow_price < 0
    return cap.max is None or used - cap.min < cap.max - used


def _held(cap: WaitingCap, currency: str) -> str:
    if cap.held_lines is None:
        return "The lines in its scope stay at their current budget until it is decided."
    lines = plural(cap.held_lines, "line")
    if cap.held_money is not None:
        lines += f" with {money(cap.held_money, currency)} {currency}"
    verb = "stays" if cap.held_lines == 1 else "stay"
    return f"{lines} {verb} at the current budget until it is decided."


def _rail_price(plan: Plan, rail: PlanGuardrail) -> str:
    if not rail.shadow_price or not is_known(rail.shadow_price):
        return "Costs nothing today."
    return (
        f"Holds the plan back: loosening it by 1 would earn {number(abs(rail.shadow_price))} "
        f"{_metric(plan)}."
    )


def _metric(plan: Plan) -> str:
    return plan.expected.metric.replace("_", " ") if plan.expected else "outcome"
