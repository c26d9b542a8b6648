"""A plan as its page shows it: everything decided here, so that templates only lay out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.core.findings import Finding
from pipeline.core.money import sum_words, worth_saying
from pipeline.core.plan import Interval, Mode, Plan
from pipeline.core.types import Line
from pipeline.io.reports.charts import (
    Span,
    Tick,
    scale_over,
    span,
    ticks,
)
from pipeline.io.reports.concerns import concerns, heaviest_first, model_checks, passed
from pipeline.io.reports.curves import CurveChart, curve_chart
from pipeline.io.reports.extras import ReportExtras
from pipeline.io.reports.flow import FlowView, flow_view
from pipeline.io.reports.headline import (
    Headline,
    headline,
    metric_name,
    moved_to_learn,
    outcome_words,
    paid_lessons,
    share_of,
    total_words,
)
from pipeline.io.reports.limits import (
    CapView,
    GuardrailView,
    WaitingView,
    cap_views,
    guardrail_views,
    stopped_by,
    waiting_views,
)
from pipeline.io.reports.lines import (
    LineList,
    LineView,
    Node,
    Rest,
    Row,
    drawn_lines,
    is_wide,
    line_lists,
    line_views,
    moved,
    price_rows,
    table_of,
    tree,
)
from pipeline.io.reports.outlook import FrontierView, PacingView, frontier_view, pacing_view
from pipeline.io.reports.proof import certificate_words, short_of_best
from pipeline.io.reports.record import (
    BroughtView,
    Change,
    PromiseView,
    RunningView,
    brought_view,
    changes_since,
    promise_views,
    running_views,
)
from pipeline.io.reports.words import label, money, number_change, plural

UNDO = (
    "Not signed, the plan expires by itself and the budgets stay as they are. Signed by mistake: "
    "'equimarginal revoke' withdraws the signature, and the amounts under From are what was in "
    "force before. Later nights move back inside the daily limit where the data say so."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One row of plan against status quo."""

    name: str
    interval: Interval
    span: Span | None
    is_change: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GainView:
    """The expected gain against nothing: its interval, where zero lies, the ends in figures."""

    span: Span
    zero: str
    marks: Sequence[Tick]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveCard:
    """One line's response curve with its figures."""

    line: LineView
    chart: CurveChart


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """Everything on the plan page."""

    plan: Plan
    day: date
    metric: str
    outcome: str
    is_new: bool
    headline: Headline
    total: str
    shifted: float
    moved_share: str
    flow: FlowView | None
    gain: GainView | None
    whole: Sequence[str]
    is_paused: bool
    lines: Sequence[LineView]
    lists: Sequence[LineList]
    is_wide: bool
    listed: frozenset[Line]
    nodes: Sequence[Node]
    flat: Sequence[LineView]
    flat_rest: Rest | None
    columns: Sequence[str]
    compared: Sequence[Compared]
    compared_zero: str | None
    per: int
    step: str
    prices: Sequence[Row]
    price_at: str | None
    price_ticks: Sequence[Tick]
    cards: Sequence[CurveCard]
    caps: Sequence[CapView]
    waiting: Sequence[WaitingView]
    guardrails: Sequence[GuardrailView]
    attention: Sequence[Finding]
    data_attention: Sequence[Finding]
    passed: Sequence[Finding]
    health_level: str
    health_attention: Sequence[Finding]
    health_passed: Sequence[Finding]
    certificate: str
    stops_short: bool
    stopped: str
    exploration: float
    exploration_share: str
    exploration_cost: float | None
    paid_lessons: str
    experiments: Sequence[RunningView]
    brought: BroughtView | None
    frontier: FrontierView | None
    pacing: PacingView | None
    promises: Sequence[PromiseView]
    changes: Sequence[Change]
    expires: str
    sign_link: str
    undo: str
    refuse_command: str


def plan_view(plan: Plan, extras: ReportExtras, sign_command: str) -> PlanView:
    """Return the plan's page as values."""
    lines = line_views(plan)
    taken, added = moved(lines, plan.currency)
    lists = line_lists(lines)
    flat, flat_rest = table_of(lines, plan.currency)
    prices, price_scale = price_rows(lines, plan.budget_price)
    per = worth_saying(max((v.marginal.mean for v in lines if v.marginal), default=0.0))
    exploration = moved_to_learn(plan)
    compared, zero = _compared(plan)
    return PlanView(
        plan=plan,
        day=plan.date,
        metric=metric_name(plan),
        outcome=outcome_words(plan),
        is_new=plan.mode is Mode.OPTIMISED,
        headline=headline(plan, lines),
        total=total_words(plan),
        shifted=max(taken, added),
        moved_share=share_of(max(taken, added), plan.budget),
        flow=flow_view(lines, plan.line_columns, plan.currency),
        gain=_gain(plan),
        whole=_whole(plan, exploration),
        is_paused=extras.is_paused,
        lines=lines,
        lists=lists,
        is_wide=is_wide(lines, plan.currency),
        listed=frozenset(row.line.key for each in lists for row in (*each.rows, *each.folded)),
        nodes=tree(lines, plan.line_columns, plan.currency),
        flat=flat,
        flat_rest=flat_rest,
        columns=[label(column) for column in plan.line_columns],
        compared=compared,
        compared_zero=zero,
        per=per,
        step=sum_words(per, plan.currency),
        prices=prices,
        price_at=price_scale.at(plan.budget_price)
        if price_scale and plan.budget_price is not None
        else None,
        price_ticks=ticks(price_scale, times=per) if price_scale else (),
        cards=_cards(plan, lines, extras),
        caps=cap_views(plan, extras),
        waiting=waiting_views(plan, extras.waiting_caps),
        guardrails=guardrail_views(plan),
        attention=concerns(plan),
        data_attention=heaviest_first(plan.findings),
        passed=passed(plan.findings),
        health_level=plan.model_health.level if plan.model_health else "",
        health_attention=heaviest_first(model_checks(plan)),
        health_passed=passed(model_checks(plan)),
        certificate=certificate_words(plan),
        stops_short=short_of_best(plan) > 0,
        stopped=stopped_by(plan),
        exploration=exploration,
        exploration_share=share_of(exploration, plan.budget),
        exploration_cost=extras.exploration_cost,
        paid_lessons=paid_lessons(plan),
        experiments=running_views(extras.experiments, plan),
        brought=brought_view(extras.brought, outcome_words(plan)) if extras.brought else None,
        frontier=frontier_view(extras.frontier, plan.budget) if extras.frontier else None,
        pacing=pacing_view(extras.pacing) if extras.pacing else None,
        promises=promise_views(extras.promises),
        changes=changes_since(plan, extras.previous),
        expires=extras.expires,
        sign_link=extras.sign_link,
        undo=extras.undo or UNDO,
        refuse_command=refuse_command(sign_command),
    )


def refuse_command(sign_command: str) -> str:
    """Return the command that refuses what `sign_command` signs; empty where it is no command."""
    head, word, tail = sign_command.partition("equimarginal approve ")
    tail = re.sub(r" --hash \S+", "", tail)
    return f"{head}equimarginal reject {tail} --why '...'" if word else ""


def _whole(plan: Plan, exploration: float) -> list[str]:
    """Return what else holds of the plan as a whole, a sentence each."""
    out = []
    if plan.guardrails:
        broken = [rail for rail in plan.guardrails if rail.status == "fail"]
        unknown = [rail for rail in plan.guardrails if rail.status == "review"]
        if broken:
            out.append(f"{plural(len(broken), 'guardrail')} would be broken.")
        elif unknown:
            out.append(f"{plural(len(unknown), 'guardrail')} of {len(plan.guardrails)} not known.")
        else:
            out.append("Every guardrail holds.")
    if exploration:
        spent = money(exploration, plan.currency)
        out.append(f"{spent} {plan.currency} of it is there to learn.")
    return out


def _compared(plan: Plan) -> tuple[list[Compared], str | None]:
    """Return plan, status quo and their difference, and where the difference's zero lies."""
    out: list[Compared] = []
    both = [
        (name, interval)
        for name, interval in (
            ("This plan", plan.expected),
            ("Budgets left alone", plan.status_quo),
        )
        if interval is not None
    ]
    scale = scale_over((v for _, i in both for v in (i.p05, i.mean, i.p95)), zero=False)
    out += [
        Compared(name=name, interval=interval, span=span(interval, scale), is_change=False)
        for name, interval in both
    ]
    if plan.uplift is None:
        return out, None
    gain = plan.uplift
    gain_scale = scale_over((gain.p05, gain.mean, gain.p95), zero=True)
    out.append(
        Compared(name="Difference", interval=gain, span=span(gain, gain_scale), is_change=True)
    )
    return out, gain_scale.at(0.0) if gain_scale else None


def _gain(plan: Plan) -> GainView | None:
    gain = plan.uplift
    if gain is None:
        return None
    margin = 0.06 * (max(gain.p95, 0.0) - min(gain.p05, 0.0))  # so that figures at the ends fit
    scale = scale_over((gain.p05 - margin, gain.mean, gain.p95 + margin, 0.0), zero=True)
    drawn = span(gain, scale)
    if scale is None or drawn is None:
        return None
    ends = {drawn.low: number_change(gain.p05), drawn.high: number_change(gain.p95)}
    marks = [Tick(at=at, label=text) for at, text in ends.items()]
    if min(abs(gain.p05), abs(gain.p95)) > 2 * margin:  # zero has room beside them
        marks.append(Tick(at=scale.at(0.0), label="0"))
    return GainView(span=drawn, zero=scale.at(0.0), marks=marks)


def _cards(plan: Plan, lines: Sequence[LineView], extras: ReportExtras) -> list[CurveCard]:
    """Return the curves of the lines that change most."""
    curves = {item.line: item for item in extras.lines}
    views = {line.key: line for line in lines}
    return [
        CurveCard(
            line=views[key],
            chart=curve_chart(curves[key], views[key].current, views[key].proposed),
        )
        for key in drawn_lines(plan, curves)
    ]
