"""The groups of a decision's page: audiences, segments or contexts, each with its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.decision import FEWER_THAN, DecisionLine, DecisionPlan
from pipeline.core.kinds import Words
from pipeline.core.offer_rules import SEPARATOR
from pipeline.io.reports.charts import Span, scale_over, span
from pipeline.io.reports.words import label, number, number_change, percent, sentence

ALLOWED = "allowed"  # the column of offers that a context may get
NAMED = 8  # of what it may get; its lines name all


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberView:
    """One line of the decision; `flow` says up, down or flat."""

    name: str
    now: str
    then: str
    change: str
    flow: str
    rate: str
    interval: str
    span: Span | None
    best: str
    reason: str
    action: str
    binding: str
    few: bool
    width: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """One audience or segment with its lines, the largest first; `may` is what it may get."""

    name: str
    may: str
    note: str
    rows: Sequence[MemberView]


def group_views(plan: DecisionPlan, words: Words, min_group: float) -> list[GroupView]:
    """Return every group with its lines, the largest first; small ones without their figures."""
    depth = max(1, plan.group_columns)
    groups: dict[tuple[str, ...], list[DecisionLine]] = {}
    for line in plan.lines:
        values = [line.line[column] for column in plan.line_columns]
        groups.setdefault(tuple(values[:depth]) if plan.group_columns else ("",), []).append(line)
    return [
        GroupView(
            name=_group_name(plan, key),
            may=_may_get(plan, key),
            note=_group_note(plan, key, lines, min_group),
            rows=_rows(plan, words, lines, depth if plan.group_columns else 0, min_group),
        )
        for key, lines in groups.items()
    ]


def _group_name(plan: DecisionPlan, key: tuple[str, ...]) -> str:
    columns = plan.line_columns[: len(key)]
    names = [label(part) for column, part in zip(columns, key, strict=False) if column != ALLOWED]
    return " / ".join(names) if any(names) else "All"


def _may_get(plan: DecisionPlan, key: tuple[str, ...]) -> str:
    """Return what people of the group may get, empty where that is not what tells groups apart."""
    for column, part in zip(plan.line_columns, key, strict=False):
        if column == ALLOWED:
            names = [label(name) for name in part.split(SEPARATOR)]
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            return f"may get {', '.join(names[:NAMED])}{more}"
    return ""


def _group_note(
    plan: DecisionPlan, key: tuple[str, ...], lines: Sequence[DecisionLine], min_group: float
) -> str:
    """Return what is known of the group as a whole: what it may get, how many people it has."""
    figures = lines[0].figures
    notes = [may] if (may := _may_get(plan, key)) else []
    if FEWER_THAN in figures and "people" not in figures and ALLOWED in plan.line_columns:
        notes.append(f"fewer than {figures[FEWER_THAN]:,.0f} people")
    if "people" in figures:
        few = figures["people"] < min_group
        notes.append(f"{'fewer than ' * few}{max(figures['people'], min_group):,.0f} people")
    if "new_beats_best" in figures:
        notes.append(
            f"A new one would beat the best {percent(figures['new_beats_best'])} of the time."
        )
    return "; ".join(notes)


def _rows(
    plan: DecisionPlan, words: Words, lines: Sequence[DecisionLine], depth: int, min_group: float
) -> list[MemberView]:
    known = [line for line in lines if not _is_small(line, min_group)]
    values = [v for line in known if line.expected for v in (line.expected.p05, line.expected.p95)]
    scale = scale_over(values, zero=False)
    ordered = sorted(lines, key=lambda line: (-line.proposed, -line.current, *line.line.values()))
    times = words.rate_times
    return [
        _member(plan, line, depth, _is_small(line, min_group), scale, times) for line in ordered
    ]


def _is_small(line: DecisionLine, min_group: float) -> bool:
    if FEWER_THAN in line.figures:
        return True
    return line.figures.get("impressions", line.figures.get("people", min_group)) < min_group


def _member(
    plan: DecisionPlan, line: DecisionLine, depth: int, few: bool, scale: object, times: float
) -> MemberView:
    change = line.proposed - line.current
    is_share = plan.unit == "share"
    shown = percent if is_share else number
    expected = None if few else line.expected
    best = line.figures.get("probability_best")
    return MemberView(
        name=" / ".join(label(line.line[column]) for column in plan.line_columns[depth:]),
        now=shown(line.current),
        then=shown(line.proposed),
        change=_signed(change, is_share),
        flow="flat" if not is_change(line, plan) else "up" if change > 0 else "down",
        rate=number(expected.mean * times) if expected else _no_rate(few),
        interval=f"{number(expected.p05 * times)} to {number(expected.p95 * times)}"
        if expected
        else "",
        span=span(expected, scale) if expected and scale else None,  # type: ignore[arg-type]
        best=_odds(best) if best is not None and not few and line.proposed > 0 else "",
        reason=sentence(line.reason),
        action=line.action,
        binding=", ".join(line.binding),
        few=few,
        width=f"{100 * min(line.proposed, 1.0):.2f}%" if is_share else "",
    )


def _odds(probability: float) -> str:
    if probability < 0.01:
        return "under 1%"
    return "over 99%" if probability > 0.99 else f"{100 * probability:.0f}%"


def _no_rate(few: bool) -> str:
    return "too few to show" if few else "not known"


def _signed(change: float, is_share: bool) -> str:
    if not is_share:
        return number_change(change)
    points = f"{100 * abs(change):.1f}"
    return "0" if points == "0.0" else f"{'+' if change > 0 else '−'}{points}"


def is_change(line: DecisionLine, plan: DecisionPlan) -> bool:
    """Return whether a line changes by at least a unit of its last decimal."""
    return abs(line.proposed - line.current) > 0.5 * 10.0**-plan.digits
