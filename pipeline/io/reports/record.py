"""What earlier plans promised and what came, and what differs from the plan before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.plan import Plan
from pipeline.io.reports.charts import Span, scale_over, span
from pipeline.io.reports.extras import Brought, Promise, Running
from pipeline.io.reports.headline import outcome_words
from pipeline.io.reports.words import (
    is_known,
    label,
    long_day,
    money,
    number,
    number_change,
    percent,
    plural,
    scope_words,
)

LEAST_ASTRAY = 0.05  # of the money: spent otherwise than planned, which days scatter by themselves
MOST_CHANGES = 8  # lines that are listed as different from the plan before


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseView:
    """An earlier plan's promise, drawn, and what came of it."""

    promise: Promise
    span: Span | None
    realised_at: str | None
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that is different from the plan before."""

    what: str
    before: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtView:
    """What the last plans brought, in sentences: the gain, and what was missed."""

    gain: str
    missed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningView:
    """A lift test as a row."""

    name: str
    scope: str
    state: str
    until: str
    price: str


def brought_view(brought: Brought, of: str) -> BroughtView:
    """Return what the last plans brought, and what was missed and why.

    Args:
        of: what the gain counts, `EUR of revenue` or `conversions`.
    """
    gain = brought.gain
    since = f"since {long_day(brought.first_day)}"
    if brought.plans:
        over = f" over {plural(brought.days, 'day')}" if brought.days else ""
        text = (
            f"{plural(brought.plans, 'published plan')} {since} brought "
            f"{number_change(gain.mean)} {of} in all against leaving budgets alone{over} "
            f"(90% interval {number_change(gain.p05)} to {number_change(gain.p95)}), "
            "on the curves as they are known by now."
        )
        if gain.p05 <= 0 <= gain.p95:
            text += " That cannot be told from nothing; a standing holdout would show it."
    else:
        text = f"No plan was published {since}."
    missed = []
    if brought.plans and (brought.missed > 0 or brought.otherwise >= LEAST_ASTRAY):
        what = "missed" if brought.missed > 0 else "earned beside the plans"
        missed.append(
            f"{percent(brought.otherwise)} of the money was not spent as planned; "
            f"{number(abs(brought.missed))} {of} was {what} by that, and is not counted as theirs."
        )
    if brought.unsigned_plans:
        verb = "would have brought" if brought.unsigned >= 0 else "would have cost"
        were = "was" if brought.unsigned_plans == 1 else "were"
        missed.append(
            f"{plural(brought.unsigned_plans, 'plan')} that {were} not published {verb} "
            f"{number(abs(brought.unsigned))} {of}."
        )
    return BroughtView(gain=text, missed=" ".join(missed))


def running_views(experiments: Sequence[Running], plan: Plan) -> list[RunningView]:
    """Return lift tests, those that end first at the top."""
    return [
        RunningView(
            name=label(item.name),
            scope=scope_words(item.scope, plan.line_columns) if item.scope else "no line held",
            state=item.state,
            until=f"{item.first_day.isoformat()} to {item.last_day.isoformat()}",
            price="not known"
            if item.price is None
            else f"{money(item.price, plan.currency)} {plan.currency}",
        )
        for item in sorted(experiments, key=lambda item: (item.last_day, item.name))
    ]


def promise_views(promises: Sequence[Promise]) -> list[PromiseView]:
    """Return earlier promises on one scale, the newest first."""
    values = [v for p in promises for v in (p.promised.p05, p.promised.p95, p.realised)]
    scale = scale_over(values, zero=False)
    return [
        PromiseView(
            promise=p,
            span=span(p.promised, scale),
            realised_at=scale.at(p.realised)
            if scale and p.realised is not None and is_known(p.realised)
            else None,
            verdict=_verdict(p),
        )
        for p in sorted(promises, key=lambda p: p.day, reverse=True)
    ]


def _verdict(promise: Promise) -> str:
    if promise.realised is None or not is_known(promise.realised):
        return "Not yet known"
    if promise.realised < promise.promised.p05:
        return "Below the interval"
    return "Above the interval" if promise.realised > promise.promised.p95 else "As promised"


def changes_since(plan: Plan, previous: Plan | None) -> list[Change]:
    """Return what differs from the plan before, the summary first, then the largest lines."""
    if previous is None or previous.currency != plan.currency:
        return []
    pairs = [
        ("How it came about", previous.mode.value, plan.mode.value),
        ("Budget", money(previous.budget, plan.currency), money(plan.budget, plan.currency)),
        ("Caps in force", str(len(previous.caps)), str(len(plan.caps))),
        ("Lines", f"{len(previous.lines):,}", f"{len(plan.lines):,}"),
    ]
    if previous.uplift and plan.uplift:
        before, now = number_change(previous.uplift.mean), number_change(plan.uplift.mean)
        pairs.append((f"Expected gain, {outcome_words(plan)} a day", before, now))
    out = [
        Change(what=what, before=before, now=now) for what, before, now in pairs if before != now
    ]
    return out + _line_changes(plan, previous)


def _line_changes(plan: Plan, previous: Plan) -> list[Change]:
    before, now = previous.budgets, plan.budgets
    lines = sorted({*before, *now}, key=lambda k: (-abs(now.get(k, 0.0) - before.get(k, 0.0)), k))
    return [
        Change(
            what=" / ".join(label(part) for part in key),
            before=money(before[key], plan.currency) if key in before else "not there",
            now=money(now[key], plan.currency) if key in now else "gone",
        )
        for key in lines[:MOST_CHANGES]
        if before.get(key) != now.get(key)
    ]
