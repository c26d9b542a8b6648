"""A plan as a workbook, for people who go on calculating: amounts are numbers, names are names.

Every text is written as a text, so that nothing a stranger named becomes a formula or a link, and
nothing is renamed either. The same plan gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.core.decision import DecisionPlan, Document
from pipeline.core.errors import UsageError
from pipeline.core.money import minor_digits
from pipeline.core.plan import Interval, Plan
from pipeline.io.reports.concerns import concerns
from pipeline.io.reports.decision_page import decision_view
from pipeline.io.reports.headline import headline, total_words
from pipeline.io.reports.limits import limit_words
from pipeline.io.reports.lines import line_views
from pipeline.io.reports.words import scope_words

if TYPE_CHECKING:
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

LONGEST = 32_767  # characters in a cell of a workbook
_WIDEST = 46

Cell = str | float | None
Column = tuple[str, str]
"""Heading, and the number format of its cells; an empty format is a text."""

_RANGE = ("", " low", " high")


def plan_workbook(plan: Document, *, sign_command: str = "") -> bytes:
    """Return the plan as a workbook: what is asked, every line, and for budgets the caps.

    Raises:
        UsageError: a name is longer than a cell can hold.
    """
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    # Not the moment of writing: the same plan gives the same bytes.
    made = datetime(plan.date.year, plan.date.month, plan.date.day, tzinfo=UTC)
    book.set_properties({"title": f"Plan {plan.plan_id}", "created": made})
    _plan_sheet(book, plan, sign_command)
    if isinstance(plan, DecisionPlan):
        _write(book, "Lines", *_decision_lines(plan))
    else:
        _write(book, "Budgets", *_budget_lines(plan))
        _write(book, "Caps", *_caps(plan))
    book.close()
    return out.getvalue()


def _plan_sheet(book: Workbook, plan: Document, sign_command: str) -> None:
    rows: list[tuple[str, Cell]] = [("Portfolio", plan.portfolio), ("Day", plan.date.isoformat())]
    if isinstance(plan, DecisionPlan):
        view = decision_view(plan, {}, sign_command)
        rows += [("Asked", view.ask), ("Expected", view.promise)]
    else:
        head = headline(plan, line_views(plan))
        rows += [("Asked", head.ask), ("Expected", head.promise), ("Lines", total_words(plan))]
        rows += [("Reason", reason) for reason in head.reasons]
    rows += [(item.level.value.capitalize(), item.message) for item in concerns(plan)]
    rows += [("Plan", plan.plan_id), ("Content", plan.content_hash)]
    rows += [("Sign", sign_command)] if sign_command else []
    _write(book, "Plan", [("What", ""), ("Value", "")], rows, filtered=False)


def _budget_lines(plan: Plan) -> tuple[list[Column], list[Sequence[Cell]]]:
    money, rate = _money_format(plan.currency), "#,##0.00##"
    metric = plan.expected.metric if plan.expected else "outcome"
    columns: list[Column] = [(name, "") for name in plan.line_columns]
    columns += [(f"{name}, {plan.currency}", money) for name in ("current", "proposed", "change")]
    columns += [("change", "0.0%"), ("action", ""), ("reason", ""), ("held by", "")]
    columns += [(f"expected {metric}{end}", "#,##0.##") for end in _RANGE]
    columns += [(f"{metric} of the next {plan.currency}{end}", rate) for end in _RANGE]
    rows: list[Sequence[Cell]] = [
        [
            *line.key,
            *(line.current, line.proposed, line.change, line.change_share),
            *(line.action, line.reason, "; ".join(line.held_by)),
            *_three(line.expected),
            *_three(line.marginal),
        ]
        for line in line_views(plan)
    ]
    return columns, rows


def _decision_lines(plan: DecisionPlan) -> tuple[list[Column], list[Sequence[Cell]]]:
    amount = "0.00%" if plan.unit == "share" else f"#,##0.{'0' * plan.digits}"
    columns: list[Column] = [(name, "") for name in plan.line_columns]
    columns += [(f"{name}, {plan.unit}", amount) for name in ("current", "proposed")]
    columns += [("action", ""), ("reason", "")]
    columns += [(f"expected{end}", "#,##0.######") for end in _RANGE]
    rows: list[Sequence[Cell]] = [
        [
            *(item.line[name] for name in plan.line_columns),
            *(item.current, item.proposed, item.action, item.reason),
            *_three(item.expected),
        ]
        for item in plan.lines
    ]
    return columns, rows


def _caps(plan: Plan) -> tuple[list[Column], list[Sequence[Cell]]]:
    columns: list[Column] = [
        ("cap", ""), ("scope", ""), ("limit", ""), ("binds", ""),
        (f"one {plan.currency} more earns", "#,##0.00##"), ("approved by", ""),
    ]  # fmt: skip
    rows: list[Sequence[Cell]] = [
        [
            cap.id,
            scope_words(cap.scope, plan.line_columns),
            limit_words(cap.min, cap.max, cap.fixed, plan.currency),
            "yes" if cap.binding else "no",
            cap.shadow_price,
            cap.approved_by,
        ]
        for cap in plan.caps
    ]
    return columns, rows


def _write(
    book: Workbook,
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    *,
    filtered: bool = True,
) -> None:
    """Write one sheet: headings that stay in sight, then a row each."""
    sheet = book.add_worksheet(name)
    bold = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    formats = [book.add_format({"num_format": form or "@"}) for _, form in columns]
    for at, (heading, _) in enumerate(columns):
        _text(sheet, 0, at, heading, bold)
        longest = max((len(row[at]) for row in rows if isinstance(row[at], str)), default=0)  # type: ignore[arg-type]
        sheet.set_column(at, at, min(max(longest, len(heading), 8) + 2, _WIDEST))
    for down, row in enumerate(rows, start=1):
        for at, value in enumerate(row):
            if isinstance(value, str):
                _text(sheet, down, at, value, formats[at])
            elif value is not None:
                sheet.write_number(down, at, value, formats[at])
    sheet.freeze_panes(1, 0)
    if filtered and rows:
        sheet.autofilter(0, 0, len(rows), len(columns) - 1)


def _text(sheet: Worksheet, row: int, column: int, text: str, form: Any) -> None:
    if len(text) > LONGEST:
        raise UsageError(
            f"report xlsx: a text of {len(text):,} characters ({text[:20]!r}...) is longer than a "
            f"cell holds ({LONGEST:,}); use --format csv or json"
        )
    sheet.write_string(row, column, text, form)


def _three(interval: Interval | None) -> tuple[Cell, Cell, Cell]:
    return (None, None, None) if interval is None else (interval.mean, interval.p05, interval.p95)


def _money_format(currency: str) -> str:
    digits = minor_digits(currency)
    return "#,##0" + ("." + "0" * digits if digits else "")
