"""The caps of a portfolio on one page, for the person of finance who decides them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.money import sum_money
from pipeline.core.plan import Plan, PlanCap
from pipeline.core.types import in_scope
from pipeline.io.reports.extras import ReportExtras
from pipeline.io.reports.headline import metric_name
from pipeline.io.reports.limits import CapView, cap_views, limit_words
from pipeline.io.reports.render import render
from pipeline.io.reports.words import days, money, plural, scope_words, sentence

UNKNOWN_IMPACT = "what it would change is not known"
SOON_DAYS = 14  # before a cap ends, from which its page says so


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """A cap that waits: what is asked, what it replaces, and what it would mean."""

    cap: Cap
    scope: str
    asked: str
    instead_of: str
    inside: str
    impact: str
    dates: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastView:
    """A cap that is no longer, or not yet, in force."""

    cap: Cap
    scope: str
    limit: str
    dates: str
    state: str
    decided: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapPageView:
    """The page."""

    portfolio: str
    day: date
    title: str
    plan_id: str
    requests: Sequence[RequestView]
    in_force: Sequence[CapView]
    metric: str
    dates: Mapping[str, str]
    soon: Mapping[str, str]
    decided: Mapping[str, str]
    past: Sequence[PastView]


def render_caps(
    portfolio: str,
    caps: Sequence[Cap],
    *,
    day: date,
    columns: tuple[str, ...],
    currency: str,
    plan: Plan | None = None,
    costs: Mapping[str, float] | None = None,
    impacts: Mapping[str, str] | None = None,
    decided_on: Mapping[str, date] | None = None,
    approve_command: str = "equimarginal caps approve",
) -> str:
    """Return the page of all caps: those that wait with their effect, those in force with a price.

    Args:
        plan: the latest one; prices and planned amounts are taken from it.
        costs: cap id -> outcome a day that the latest plan would gain without the cap.
        impacts: cap id -> what the cap would change, in a sentence; else what was said of it when
            it was asked for.
        decided_on: cap id -> day of the decision.
        approve_command: what comes before a cap's id.
    """
    view = cap_page_view(
        portfolio,
        caps,
        day=day,
        columns=columns,
        currency=currency,
        plan=plan,
        costs=costs or {},
        impacts=impacts or {},
        decided_on=decided_on or {},
    )
    return render("caps.html.j2", currency, view=view, approve_command=approve_command)


def cap_page_view(
    portfolio: str,
    caps: Sequence[Cap],
    *,
    day: date,
    columns: tuple[str, ...],
    currency: str,
    plan: Plan | None,
    costs: Mapping[str, float],
    impacts: Mapping[str, str],
    decided_on: Mapping[str, date],
) -> CapPageView:
    """Return the page as values."""
    waiting = [cap for cap in caps if cap.status is CapStatus.PROPOSED]
    in_force = [cap for cap in caps if cap.in_force(day)]
    past = [cap for cap in caps if cap not in waiting and cap not in in_force]
    current = {_key(cap.scope): cap for cap in in_force}
    count = len(waiting)
    return CapPageView(
        portfolio=portfolio,
        day=day,
        title=f"{plural(count, 'cap')} {'waits' if count == 1 else 'wait'} for finance"
        if count
        else "No cap waits for finance",
        plan_id=plan.plan_id if plan else "",
        requests=[
            RequestView(
                cap=cap,
                scope=scope_words(cap.scope, columns),
                asked=limit_words(cap.min, cap.max, cap.fixed, currency),
                instead_of=_instead_of(current.get(_key(cap.scope)), currency),
                inside=_inside(cap, plan),
                impact=sentence(impacts.get(cap.id) or cap.impact or UNKNOWN_IMPACT),
                dates=_dates(cap, "no end"),
            )
            for cap in waiting
        ],
        in_force=_in_force(in_force, plan, columns, currency, costs),
        metric=metric_name(plan) if plan else "outcome",
        dates={cap.id: _dates(cap, "") for cap in in_force},
        soon={cap.id: _soon(cap, day) for cap in in_force},
        decided={cap.id: _decided(cap, decided_on) for cap in in_force},
        past=[
            PastView(
                cap=cap,
                scope=scope_words(cap.scope, columns),
                limit=limit_words(cap.min, cap.max, cap.fixed, currency),
                dates=_dates(cap, ""),
                state=_state(cap, day),
                decided=_decided(cap, decided_on),
            )
            for cap in sorted(past, key=lambda cap: -cap.decided_seq)
        ],
    )


def _in_force(
    caps: Sequence[Cap],
    plan: Plan | None,
    columns: tuple[str, ...],
    currency: str,
    costs: Mapping[str, float],
) -> Sequence[CapView]:
    """Return the caps in force, priced where the plan knows them."""
    if plan is not None:
        priced = {cap.id: cap for cap in plan.caps}
        known = tuple(priced.get(cap.id) or _unpriced(cap) for cap in caps)
        extras = ReportExtras(cap_costs=dict(costs))
        return cap_views(plan.model_copy(update={"caps": known}), extras)
    return [
        CapView(
            id=cap.id,
            scope=scope_words(cap.scope, columns),
            limit=limit_words(cap.min, cap.max, cap.fixed, currency),
            used=None,
            fill=None,
            is_binding=False,
            cost="",
            price="Its price is not known: there is no plan yet.",
            approved_by=cap.decided_by,
        )
        for cap in caps
    ]


def _unpriced(cap: Cap) -> PlanCap:
    return PlanCap(
        id=cap.id,
        scope=cap.scope,
        min=cap.min,
        max=cap.max,
        fixed=cap.fixed,
        approved_by=cap.decided_by,
    )


def _key(scope: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(scope.items()))


def _instead_of(cap: Cap | None, currency: str) -> str:
    if cap is None:
        return "No cap is in force here: its lines are held at their current budget."
    return f"Instead of {limit_words(cap.min, cap.max, cap.fixed, currency)} {currency}."


def _inside(cap: Cap, plan: Plan | None) -> str:
    """Return how many lines the cap would bind, and what the latest plan gives them."""
    if plan is None:
        return ""
    inside = [
        line
        for line in plan.lines
        if in_scope(tuple(line.line[c] for c in plan.line_columns), plan.line_columns, cap.scope)
    ]
    planned = sum_money([line.proposed for line in inside], plan.currency)
    amount = f"{money(planned, plan.currency)} {plan.currency}"
    return f"{plural(len(inside), 'line')} with {amount} planned."


def _dates(cap: Cap, always: str) -> str:
    """Return from when and until when a cap holds; `always` where it has neither."""
    parts = []
    if cap.valid_from:
        parts.append(f"from {cap.valid_from.isoformat()}")
    if cap.expires:
        parts.append(f"until {cap.expires.isoformat()}")
    return " ".join(parts) or always


def _soon(cap: Cap, day: date) -> str:
    """Return that a cap ends within SOON_DAYS, and what follows; nothing where it does not."""
    if cap.expires is None or (left := (cap.expires - day).days) > SOON_DAYS:
        return ""
    return f"ends {'today' if left == 0 else 'in ' + days(left)}; then its lines are held"


def _decided(cap: Cap, decided_on: Mapping[str, date]) -> str:
    if not cap.decided_by:
        return "not known" if cap.status is CapStatus.APPROVED else ""
    when = decided_on.get(cap.id)
    return f"{cap.decided_by}, {when.isoformat()}" if when else cap.decided_by


def _state(cap: Cap, day: date) -> str:
    if cap.status is not CapStatus.APPROVED:
        return cap.status.value
    if cap.valid_from and cap.valid_from > day:
        return "approved, not yet in force"
    return "expired" if cap.expires and cap.expires < day else "superseded"
