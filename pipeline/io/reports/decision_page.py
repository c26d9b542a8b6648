"""The page of a decision other than the budget: the same parts, for shares or touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.core.decision import DecisionLine, DecisionPlan
from pipeline.core.findings import Finding
from pipeline.core.kinds import KINDS, Words
from pipeline.core.plan import Kind, Mode, PlanGuardrail
from pipeline.core.types import JsonObject
from pipeline.io.reports.concerns import concerns, heaviest_first, model_checks, passed
from pipeline.io.reports.decision_groups import GroupView, group_views, is_change
from pipeline.io.reports.render import render
from pipeline.io.reports.touches import TouchParts, touch_parts
from pipeline.io.reports.words import (
    chance,
    label,
    long_day,
    number,
    number_change,
    percent,
    plural,
)

UNDO = (
    "Not signed, the plan expires by itself and what is in force stays. Signed by mistake: "
    "'equimarginal revoke' withdraws the signature, and the amounts under Now are what was in "
    "force before."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RailView:
    """One guardrail as text."""

    name: str
    limit: str
    now: str
    expected: str
    state: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """Everything on the page of a decision."""

    plan: DecisionPlan
    day: date
    words: Words
    ask: str
    promise: str
    badge: str
    total: str
    figures: Sequence[tuple[str, str, str]]
    groups: Sequence[GroupView]
    attention: Sequence[Finding]
    data_attention: Sequence[Finding]
    waiting: Sequence[str]
    passed: Sequence[Finding]
    health_level: str
    health_attention: Sequence[Finding]
    health_passed: Sequence[Finding]
    expires: str
    sign_link: str
    refuse_command: str
    undo: str
    rails: Sequence[RailView]
    has_best: bool
    touches: TouchParts | None


def render_decision(plan: DecisionPlan, extras: JsonObject, *, sign_command: str) -> str:
    """Return the decision's page; the same plan and extras give the same bytes.

    Args:
        extras: `min_group`, below which a line is not shown in figures, `sign_link`, where the
            plan can be signed in a browser, and what a kind's page shows besides.
    """
    view = decision_view(plan, extras, sign_command)
    return render("decision.html.j2", plan.currency, view=view, sign_command=sign_command)


def decision_markdown(plan: DecisionPlan) -> str:
    """Return the decision in short, for a chat, a mail or a sign-off task."""
    from pipeline.io.reports.summary import markdown_code, markdown_text

    view = decision_view(plan, {}, "")
    parts = [f"## {markdown_text(view.ask)}", markdown_text(view.promise)]
    for group in view.groups[:8]:
        moved = [f"{row.name} {row.now} to {row.then}" for row in group.rows if row.flow != "flat"]
        if moved:
            of = group.name if plan.group_columns else ""
            of += f" ({group.may})" if group.may else ""
            parts.append(f"- {markdown_text(': '.join(filter(None, (of, '; '.join(moved[:6])))))}")
    parts += [f"- {f.level.value}: {markdown_text(f.message)}" for f in view.attention]
    code = markdown_code(plan.content_hash)
    parts.append(f"Plan {markdown_code(plan.plan_id)}, content {code}")
    return "\n\n".join(parts) + "\n"


def decision_view(plan: DecisionPlan, extras: JsonObject, sign_command: str) -> DecisionView:
    """Return the decision's page as values; `extras` as for `render_decision`."""
    min_group = float(extras.get("min_group", 0))
    words = KINDS[plan.kind].words
    assert words is not None  # noqa: S101  a decision has words, a budget is none
    health = plan.model_health
    changed = [line for line in plan.lines if is_change(line, plan)]
    groups = group_views(plan, words, min_group)
    return DecisionView(
        plan=plan,
        day=plan.date,
        words=words,
        ask=_ask(plan, words, changed),
        promise=_promise(plan),
        badge=_badge(plan),
        total=f"It signs every {plan.unit if plan.group_columns else words.member} below, as it "
        "stands here.",
        figures=_figures(plan, words, changed),
        groups=groups,
        attention=concerns(plan),
        data_attention=heaviest_first(plan.findings),
        waiting=[],
        passed=passed(plan.findings),
        health_level=health.level if health else "",
        health_attention=heaviest_first(model_checks(plan)),
        health_passed=passed(model_checks(plan)),
        expires="",
        sign_link=str(extras.get("sign_link", "")),
        refuse_command=sign_command.replace(" approve ", " reject ", 1).partition(" --hash")[0]
        + ' --why "REASON"',
        undo=UNDO,
        rails=[_rail(rail, plan) for rail in plan.guardrails],
        has_best=any(row.best for group in groups for row in group.rows),
        touches=touch_parts(plan, extras, min_group),
    )


def _rail(rail: PlanGuardrail, plan: DecisionPlan) -> RailView:
    is_share = plan.kind is not Kind.OFFERS or rail.metric.startswith("share")
    shown = percent if is_share else number
    return RailView(
        name=" · ".join((rail.metric, *(label(value) for value in rail.scope.values()))),
        limit=f"{rail.kind} {shown(rail.limit)}",
        now="" if rail.current is None else shown(rail.current),
        expected="" if rail.expected is None else shown(rail.expected),
        state=rail.status,
        note=_rail_note(rail, plan),
    )


def _rail_note(rail: PlanGuardrail, plan: DecisionPlan) -> str:
    """Return what follows for a segment whose guardrail is not passed."""
    if rail.status == "pass" or rail.expected is None or plan.kind is not Kind.CADENCE:
        return ""
    within = rail.expected <= rail.limit
    return f"{'not sure enough' if within else 'beyond its limit'}: not raised"


def _badge(plan: DecisionPlan) -> str:
    if plan.mode is Mode.FALLBACK:
        old = f", {plural(plan.fallback_days, 'day')} old" if plan.fallback_days else ""
        return f"fallback{old}"
    return "no change" if plan.mode is Mode.HOLD else "new " + plan.kind.value


def _ask(plan: DecisionPlan, words: Words, changed: Sequence[DecisionLine]) -> str:
    if not changed:
        return f"Sign that nothing changes on {long_day(plan.date)}."
    if plan.kind is Kind.CADENCE:
        return _ask_touches(changed)
    retired = len(_members(plan, [x for x in plan.lines if x.action == "retire"]))
    known = _members(plan, [line for line in plan.lines if line.current > 0])
    started = len(_members(plan, [x for x in plan.lines if x.action == "start"]) - known)
    groups = {line.line[plan.line_columns[0]] for line in changed}
    members = len(_members(plan, changed))
    parts = [f"{plural(members, words.member)} in {plural(len(groups), words.group)}"]
    if started:
        parts.append(f"{started} of them new")
    if retired:
        parts.append(f"{plural(retired, words.member)} taken out")
    return f"Sign new shares for {', '.join(parts)}."


def _members(plan: DecisionPlan, lines: Sequence[DecisionLine]) -> set[tuple[str, ...]]:
    """Return what gets a part, each once, in however many groups it stands."""
    columns = plan.line_columns[plan.group_columns :]
    return {tuple(line.line[column] for column in columns) for line in lines}


def _ask_touches(changed: Sequence[DecisionLine]) -> str:
    words = {"raise": "raised", "lower": "lowered", "stop": "stopped"}
    parts = [
        f"{words[action]} for {plural(number_of, 'segment')}"
        for action in words
        if (number_of := sum(line.action == action for line in changed))
    ]
    return f"Sign new touches a week: {', '.join(parts)}."


def _promise(plan: DecisionPlan) -> str:
    up, expected = plan.uplift, plan.expected
    if up is None and expected is not None and plan.mode is Mode.HOLD:
        return (
            f"What is in force brings {number(expected.mean)} {expected.metric} a day "
            f"({number(expected.p05)} to {number(expected.p95)} in 90 of 100 cases)."
        )
    if up is None or expected is None:
        return "What it brings is not known."
    return (
        f"Expected to bring {number_change(up.mean)} {expected.metric} a day "
        f"({number_change(up.p05)} to {number_change(up.p95)} in 90 of 100 cases), against what "
        f"is in force. Better than no change in {chance(up.probability_positive)} cases."
    )


def _figures(
    plan: DecisionPlan, words: Words, changed: Sequence[DecisionLine]
) -> list[tuple[str, str, str]]:
    groups = len({line.line[plan.line_columns[0]] for line in plan.lines})
    expected, up = plan.expected, plan.uplift
    is_split = words.member != words.group
    inside = plural(len(_members(plan, plan.lines)), words.member) if is_split else ""
    rows = plural(len(plan.lines), plan.unit if is_split else words.member)
    metric = expected.metric if expected else ""
    figures = [
        (words.group.capitalize() + "s", f"{groups:,}", inside),
        ("Changed", f"{len(changed):,}", f"of {rows}"),
        ("Expected", number(expected.mean), f"{metric} a day")
        if expected
        else ("Expected", "not known", ""),
    ]
    if plan.mode is not Mode.HOLD:
        figures.append(
            (
                "Better than no change",
                chance(up.probability_positive) if up else "not known",
                f"{number_change(up.mean)} {metric} a day" if up else "",
            )
        )
    return figures
