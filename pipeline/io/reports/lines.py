"""The plan's lines as a page shows them: one by one, in lists, and summed along the hierarchy."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.core.findings import Level
from pipeline.core.money import from_minor, minor_digits, to_minor
from pipeline.core.plan import Interval, Plan, PlanLine
from pipeline.core.types import Line
from pipeline.io.reports.charts import ChangeBar, Scale, Span, change_bar, scale_over, span
from pipeline.io.reports.words import label, money, money_change, sentence

MOST_SHOWN = 12  # lines in one list before the rest folds
MOST_LISTED = 60  # lines in one list; the table below it holds all of them
FITTING_AMOUNT = 9  # characters that fit into a column of the lists: 12,345.67
FITTING_CHANGE = 8  # in bold: +1,234.5
MOST_OPEN = 40  # lines up to which the table starts unfolded
MOST_ROWS = 3000  # in the table of all lines; the sheet always has every one
FEWEST_ROWS = 5  # of a group, however many groups there are
MOST_CURVES = 24  # drawn in full; a page of more is not read
MOST_PRICED = 16  # lines whose marginal returns are drawn side by side


class Kind(StrEnum):
    """What a signer does with a line."""

    MOVE = "move"
    TEST = "test"
    WATCH = "watch"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """One line. `change_share` is None for a line that starts from nothing."""

    key: Line
    name: str
    last: str
    current: float
    proposed: float
    change: float
    change_share: float | None
    kind: Kind
    action: str
    reason: str
    binding: Sequence[str]
    exploration: float
    expected: Interval | None
    marginal: Interval | None
    flagged: bool

    @property
    def flow(self) -> str:
        """`up`, `down` or `flat`."""
        return "up" if self.change > 0 else "down" if self.change < 0 else "flat"

    @property
    def rest_of_reason(self) -> str:
        """The reason without what the next unit of money earns, which a row's own figures say."""
        first, _, rest = self.reason.partition("; ")
        return sentence(rest) if first.startswith("The next ") else self.reason

    @property
    def unsaid(self) -> Sequence[str]:
        """The limits that hold the line and that its reason does not name."""
        return [
            _limit_words(limit)
            for limit in self.binding
            if limit not in self.reason and not (limit == "ramp" and "daily limit" in self.reason)
        ]

    @property
    def unsaid_lesson(self) -> float:
        """What of the budget is there to learn, 0 where the reason speaks of it."""
        return 0.0 if "learn" in self.reason or "lesson" in self.reason else self.exploration

    @property
    def held_by(self) -> Sequence[str]:
        """The limits that hold the line, in a reader's words."""
        return [_limit_words(limit) for limit in self.binding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line with its drawing."""

    line: LineView
    bar: ChangeBar | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineList:
    """The lines of one kind, the largest first; `folded` come after, `more` are only counted."""

    kind: Kind
    title: str
    note: str
    rows: Sequence[Row]
    folded: Sequence[Row]
    folded_change: float
    total: int
    more: int
    more_change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Lines that a table of very many does not show, in one row."""

    count: int
    current: float
    proposed: float
    change: float
    change_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A level of the hierarchy: its sums, and below it either further nodes or lines.

    `rest` are the lines of very many that are not among `lines`: those with least money.
    """

    name: str
    column: str
    current: float
    proposed: float
    change: float
    change_share: float | None
    count: int
    moving: int
    nodes: Sequence[Node]
    lines: Sequence[LineView]
    rest: Rest | None
    is_open: bool

    @property
    def flow(self) -> str:
        """`up`, `down` or `flat`."""
        return "up" if self.change > 0 else "down" if self.change < 0 else "flat"


ROUNDED = "Unchanged, but for the rounding that makes all lines add up."

_TITLES = {
    Kind.MOVE: ("Move", "Money changes here for what it is expected to earn."),
    Kind.TEST: ("Test", "Moved on purpose in order to learn, or back because a lesson is over."),
    Kind.WATCH: ("Watch", "Unchanged, but something here needs a look."),
    Kind.HOLD: ("Hold", "Unchanged."),
}


def line_views(plan: Plan) -> list[LineView]:
    """Return every line of the plan, in the plan's order."""
    flagged = {f.line for f in plan.findings if f.line and f.level is not Level.PASS}
    return [_line_view(plan, item, flagged) for item in plan.lines]


def line_lists(lines: Sequence[LineView]) -> list[LineList]:
    """Return the four lists, those without a line left out; all moves share one scale."""
    shown: dict[Kind, list[LineView]] = {}
    for kind in Kind:
        of_kind = [line for line in lines if line.kind is kind]
        shown[kind] = sorted(of_kind, key=lambda v: (-abs(v.change), -v.proposed, v.key))
    drawn = [v for views in shown.values() for v in views[:MOST_LISTED]]
    most = max((abs(view.change) for view in drawn), default=0.0)
    return [_line_list(kind, views, most) for kind, views in shown.items() if views]


def tree(lines: Sequence[LineView], columns: tuple[str, ...], currency: str) -> list[Node]:
    """Return the outermost level of the hierarchy, the largest budget first."""
    groups = len({line.key[:-1] for line in lines})
    rows = len(lines) if len(lines) <= MOST_ROWS else max(MOST_ROWS // groups, FEWEST_ROWS)
    is_open = len(lines) <= MOST_OPEN
    return _nodes(lines, columns, 0, currency, rows, is_open=is_open)


def table_of(
    lines: Sequence[LineView], currency: str, most: int = MOST_ROWS
) -> tuple[Sequence[LineView], Rest | None]:
    """Return the lines that a table shows, as many as it may, and the others in one row."""
    if len(lines) <= most:
        return lines, None
    current, proposed = (
        sum(to_minor(getattr(line, name), currency) for line in lines[most:])
        for name in ("current", "proposed")
    )
    return lines[:most], Rest(
        count=len(lines) - most,
        current=from_minor(current, currency),
        proposed=from_minor(proposed, currency),
        change=from_minor(proposed - current, currency),
        change_share=_share(float(proposed - current), float(current)),
    )


def drawn_lines(plan: Plan, available: Container[Line]) -> list[Line]:
    """Return the lines whose curves a page draws, those that change most first.

    All of them where they are few; else only lines that move, are tested or need a look. A name
    that a line had once has no curve.
    """
    former = plan.names
    views = [v for v in line_views(plan) if v.key in available and v.key not in former]
    if len(views) > MOST_CURVES:
        views = [view for view in views if view.kind is not Kind.HOLD]
    views.sort(key=lambda v: (-abs(v.change), -v.proposed, v.key))
    return [view.key for view in views[:MOST_CURVES]]


def moved(lines: Iterable[LineView], currency: str) -> tuple[float, float]:
    """Return what is taken from lines and what is added to lines, both positive."""
    changes = [to_minor(line.change, currency) for line in lines]
    taken = -sum(c for c in changes if c < 0)
    added = sum(c for c in changes if c > 0)
    return from_minor(taken, currency), from_minor(added, currency)


def is_wide(lines: Sequence[LineView], currency: str) -> bool:
    """Return whether some amount is longer than the lists of moves have room for."""
    return any(
        len(money(max(line.current, line.proposed), currency)) > FITTING_AMOUNT
        or len(money_change(line.change, currency)) > FITTING_CHANGE
        for line in lines
    )


def _line_list(kind: Kind, views: Sequence[LineView], most: float) -> LineList:
    rows = [Row(line=v, bar=change_bar(v.change, most)) for v in views[:MOST_LISTED]]
    first = MOST_SHOWN if len(rows) > MOST_SHOWN + 3 else len(rows)
    return LineList(
        kind=kind,
        title=_TITLES[kind][0],
        note=ROUNDED if kind is Kind.HOLD and any(v.change for v in views) else _TITLES[kind][1],
        rows=rows[:first],
        folded=rows[first:],
        folded_change=sum(row.line.change for row in rows[first:]),
        total=len(views),
        more=max(0, len(views) - MOST_LISTED),
        more_change=sum(v.change for v in views[MOST_LISTED:]),
    )


def _line_view(plan: Plan, item: PlanLine, flagged: set[Line]) -> LineView:
    key = tuple(item.line[column] for column in plan.line_columns)
    change = from_minor(
        to_minor(item.proposed, plan.currency) - to_minor(item.current, plan.currency),
        plan.currency,
    )
    is_rounding = abs(change) < 1.5 * 10.0 ** -minor_digits(plan.currency)
    return LineView(
        key=key,
        name=" / ".join(label(part) for part in key),
        last=label(key[-1]),
        current=item.current,
        proposed=item.proposed,
        change=change,
        change_share=_share(change, item.current),
        kind=_kind(item, 0.0 if is_rounding else change, key in flagged),
        action=item.action,
        reason=sentence(item.reason),
        binding=item.binding,
        exploration=item.exploration,
        expected=item.expected,
        marginal=item.marginal_return,
        flagged=key in flagged,
    )


def _kind(item: PlanLine, change: float, is_flagged: bool) -> Kind:
    if item.action == "test":
        return Kind.TEST
    if change:
        return Kind.MOVE
    return Kind.WATCH if is_flagged or item.action == "watch" else Kind.HOLD


def _limit_words(limit: str) -> str:
    return "daily change limit" if limit == "ramp" else limit


def _share(change: float, current: float) -> float | None:
    if change == 0:
        return 0.0
    return change / current if current else None


def _nodes(
    lines: Sequence[LineView],
    columns: tuple[str, ...],
    level: int,
    currency: str,
    rows: int,
    *,
    is_open: bool,
) -> list[Node]:
    if level == len(columns) - 1:
        return []
    groups: dict[str, list[LineView]] = {}
    for line in lines:
        groups.setdefault(line.key[level], []).append(line)
    nodes = []
    for name, members in groups.items():
        current = sum(to_minor(m.current, currency) for m in members)
        proposed = sum(to_minor(m.proposed, currency) for m in members)
        below = _nodes(members, columns, level + 1, currency, rows, is_open=is_open)
        ordered = [] if below else sorted(members, key=lambda m: (-m.proposed, m.key))
        shown, rest = table_of(ordered, currency, rows)
        nodes.append(
            Node(
                name=label(name),
                column=columns[level],
                current=from_minor(current, currency),
                proposed=from_minor(proposed, currency),
                change=from_minor(proposed - current, currency),
                change_share=_share(float(proposed - current), float(current)),
                count=len(members),
                moving=sum(1 for m in members if m.change),
                nodes=below,
                lines=shown,
                rest=rest,
                is_open=is_open,
            )
        )
    return sorted(nodes, key=lambda n: (-n.proposed, n.name))


def price_rows(
    lines: Sequence[LineView], budget_price: float | None
) -> tuple[list[Row], Scale | None]:
    """Return lines side by side by what one more unit would earn, the best first, and the scale.

    Where every line is free to move these are equal: that is what the plan aims for. A line
    that stands apart is held there by a limit. An end far outside is cut, so that one vague line
    does not press the others together.
    """
    known = [(v, v.marginal) for v in lines if v.marginal is not None]
    known.sort(key=lambda pair: (-abs(pair[0].change), -pair[0].proposed, pair[0].key))
    chosen = known[:MOST_PRICED]
    most = 3 * max([abs(m.mean) for _, m in chosen] + [budget_price or 0.0], default=0.0)
    ends = (min(max(end, -most), most) for _, m in chosen for end in (m.p05, m.p95))
    scale = scale_over([*ends, budget_price], zero=True)
    chosen.sort(key=lambda pair: (-pair[1].mean, pair[0].key))
    return [Row(line=line, span=span(marginal, scale)) for line, marginal in chosen], scale
