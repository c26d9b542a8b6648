"""The nights of a portfolio on one page: what was planned, what was signed, what came."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.decision import DecisionPlan
from pipeline.core.kinds import KINDS
from pipeline.core.plan import Mode, Plan, Status
from pipeline.io.reports.charts import Span, scale_over, span
from pipeline.io.reports.concerns import concerns
from pipeline.io.reports.headline import metric_name, share_of
from pipeline.io.reports.lines import line_views, moved
from pipeline.io.reports.render import render
from pipeline.io.reports.words import label, long_day, number, percent_change, plural

_PAGE = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*(\.html)?")  # never a place outside
_STATUS_WORDS = {
    Status.PROPOSED: "waiting",
    Status.APPROVED: "signed",
    Status.REJECTED: "refused",
    Status.EXPIRED: "expired",
    Status.SUPERSEDED: "replaced",
    Status.REVOKED: "withdrawn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """One plan as the ledger holds it.

    `page` is the path of its report below the index, empty where there is none; `realised`
    is the day's outcome as far as it is known, `promised` what was forecast of the same figure.
    """

    plan: Plan
    status: Status
    decided_by: str = ""
    page: str = ""
    published: bool = False
    promised: float | None = None
    realised: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A plan of another kind than budgets, as the ledger holds it; `page` as of a `Night`."""

    plan: DecisionPlan
    status: Status
    decided_by: str = ""
    page: str = ""
    published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherView:
    """One row of the other decisions; `metric` is what its gain counts."""

    other: Other
    href: str
    status: str
    what: str
    changed: str
    metric: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NightView:
    """One row."""

    night: Night
    href: str
    status: str
    filters: str
    moved: float
    moved_share: str
    gain: Span | None
    attention: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexView:
    """The page."""

    portfolio: str
    title: str
    summary: str
    is_paused: bool
    metric: str
    rows: Sequence[NightView]
    zero: str | None
    counts: Sequence[tuple[str, str, int]]
    others: Sequence[OtherView]


def render_index(
    portfolio: str,
    nights: Sequence[Night],
    *,
    others: Sequence[Other] = (),
    is_paused: bool = False,
) -> str:
    """Return the page of all nights, newest first; filters work without a script.

    Args:
        others: plans of other kinds, which have a table of their own.
    """
    currency = nights[0].plan.currency if nights else "EUR"
    view = index_view(portfolio, nights, others, is_paused=is_paused)
    return render("index.html.j2", currency, view=view)


def index_view(
    portfolio: str, nights: Sequence[Night], others: Sequence[Other], *, is_paused: bool
) -> IndexView:
    """Return the page as values."""
    ordered = sorted(nights, key=lambda n: (n.plan.date, n.plan.plan_id), reverse=True)
    gains = [n.plan.uplift for n in ordered if n.plan.uplift]
    scale = scale_over((v for g in gains for v in (g.p05, g.mean, g.p95)), zero=True)
    rows = []
    for night in ordered:
        plan = night.plan
        change = max(moved(line_views(plan), plan.currency))
        rows.append(
            NightView(
                night=night,
                href=night.page if _PAGE.fullmatch(night.page) else "",
                status=_STATUS_WORDS[night.status],
                filters=_filters(night),
                moved=change,
                moved_share=share_of(change, plan.budget),
                gain=span(plan.uplift, scale),
                attention=_attention(plan),
            )
        )
    return IndexView(
        portfolio=portfolio,
        title=_title(ordered, others),
        summary=_summary(ordered),
        is_paused=is_paused,
        metric=metric_name(ordered[0].plan) if ordered else "outcome",
        rows=rows,
        zero=scale.at(0.0) if scale else None,
        counts=_counts(ordered),
        others=[_other_view(other) for other in others],
    )


def _other_view(other: Other) -> OtherView:
    plan = other.plan
    changed = sum(line.proposed != line.current for line in plan.lines)
    return OtherView(
        other=other,
        href=other.page if _PAGE.fullmatch(other.page) else "",
        status=_STATUS_WORDS[other.status],
        what=words.what if (words := KINDS[plan.kind].words) else plan.kind.value,
        changed=f"{changed:,} of {len(plan.lines):,}",
        metric=label(plan.expected.metric) if plan.expected else "",
    )


def _title(nights: Sequence[Night], others: Sequence[Other]) -> str:
    """Return what somebody has to do, or what was done last."""
    both: list[Night | Other] = [*nights, *others]
    waiting = [item for item in both if item.status is Status.PROPOSED]
    if len(waiting) == 1:
        return f"The plan for {long_day(waiting[0].plan.date)} waits for a signature"
    if waiting:
        return f"{plural(len(waiting), 'plan')} wait for a signature"
    if not both:
        return "No plan yet"
    last = max(both, key=lambda item: item.plan.date)
    by = f" by {label(last.decided_by)}" if last.decided_by else ""
    word = _STATUS_WORDS[last.status]
    done = word if last.status is Status.EXPIRED else f"was {word}{by}"
    return f"The plan for {long_day(last.plan.date)} {done}; none waits"


def _summary(nights: Sequence[Night]) -> str:
    """Return how earlier promises fared, over the nights of which it is known."""
    known = [
        (night.promised, night.realised)
        for night in nights
        if night.promised is not None and night.realised is not None
    ]
    if not known:
        return ""
    promised, came = sum(pair[0] for pair in known), sum(pair[1] for pair in known)
    share = percent_change(came / promised - 1) if promised else "not known"
    return (
        f"Over {plural(len(known), 'night')} whose outcomes are in, plans promised "
        f"{number(promised)} and {number(came)} came ({share})."
    )


def _filters(night: Night) -> str:
    words = [night.status.value]
    if night.plan.mode is not Mode.OPTIMISED:
        words.append("nomodel")
    if _attention(night.plan):
        words.append("look")
    return " ".join(words)


def _counts(nights: Sequence[Night]) -> list[tuple[str, str, int]]:
    """Return the filters: class, words, how many nights; those that would hide all left out."""
    wanted = [
        ("proposed", "Waiting"),
        ("approved", "Signed"),
        ("rejected", "Refused"),
        ("nomodel", "Fallback or hold"),
        ("look", "To look at"),
    ]
    found = [(key, words, sum(key in _filters(n).split() for n in nights)) for key, words in wanted]
    return [item for item in found if item[2]]


def _attention(plan: Plan) -> str:
    found = concerns(plan)
    return plural(len(found), "finding") if found else ""
