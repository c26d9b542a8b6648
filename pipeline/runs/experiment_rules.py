"""What no test may be: assigned after it began, of no line, or among units of another test."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.types import Line, in_scope, scope_label
from pipeline.runs.misnamed import meant_instead
from pipeline.runs.portfolio import Portfolio
from pipeline.runs.signoff import existing_ledger

if TYPE_CHECKING:
    from pipeline.io.ledger import ExperimentRecord


def check_start(portfolio: Portfolio, name: str, first_day: date, scope: Mapping[str, str]) -> None:
    """Refuse a test that would be assigned after it began, or of lines that cannot be.

    Raises:
        UsageError: it starts today or earlier, or no line is in its scope.
    """
    today = portfolio.today()
    if first_day <= today:
        raise UsageError(
            f"experiment {name!r}: starts {first_day}, today is {today}; "
            "who is treated is recorded before the first day, so name a later one"
        )
    _check_scope(scope, portfolio.policy.line, _known_lines(portfolio))


def check_alone(
    others: Iterable[ExperimentRecord],
    name: str,
    days: tuple[date, date],
    unit_column: str,
    *,
    treated: Sequence[str],
    excluded: Sequence[str],
) -> None:
    """Refuse a test among units of which another one treats some at the same time.

    Cells side by side are fine where the later one leaves out what the earlier one treats; the
    read-out of the earlier one leaves out what the later one treats (`treated_by_others`).

    Args:
        others: tests that are recorded, geo and switchback alike.
        days: first and last.
        treated, excluded: units of this test.

    Raises:
        UsageError: they would be compared with units that another test changes.
    """
    first, last = (day.isoformat() for day in days)
    for other in others:
        if other.name == name or not _overlaps(other, unit_column, first, last):
            continue
        plan = other.assignment
        theirs = set(plan["treated"])
        if theirs <= {*excluded} and not theirs & {*treated}:
            continue
        without = " ".join(f"--exclude {unit}" for unit in plan["treated"])
        raise UsageError(
            f"experiment {name!r}: test {other.name!r} treats {', '.join(plan['treated'])} from "
            f"{plan['from']} to {_last_day(other)}, and they would be compared with; start after "
            f"it, or leave them out with {without}"
        )


def treated_by_others(
    record: ExperimentRecord, others: Iterable[ExperimentRecord]
) -> tuple[str, ...]:
    """Return the units that other tests treat while this one runs: nothing to compare with."""
    plan = record.assignment
    found = {
        unit
        for other in others
        if other.name != record.name
        and _overlaps(other, plan.get("unit_column", ""), plan["from"], _last_day(record))
        for unit in other.assignment["treated"]
    }
    return tuple(sorted(found - {*plan["treated"]}))


def _overlaps(other: ExperimentRecord, unit_column: str, first: str, last: str) -> bool:
    """Return whether a test treats such units between two days; a holdout treats none."""
    plan = other.assignment
    if plan.get("kind", "geo") == "holdout" or plan.get("unit_column", "") != unit_column:
        return False
    return bool(plan["from"] <= last and first <= _last_day(other))


def _last_day(record: ExperimentRecord) -> str:
    return record.ended or str(record.assignment["to"])


def _known_lines(portfolio: Portfolio) -> tuple[Line, ...]:
    """Return the lines of the newest plan; none before the first night, which says it then."""
    try:
        record = existing_ledger(portfolio).plan("latest", portfolio.policy.portfolio)
    except NotFoundError:
        return ()
    return tuple(record.plan.budgets)


def _check_scope(
    scope: Mapping[str, str], columns: tuple[str, ...], lines: Collection[Line]
) -> None:
    if unknown := sorted(set(scope) - set(columns)):
        raise UsageError(
            f"experiment --scope: no column {unknown[0]!r}, lines have {', '.join(columns)}"
        )
    if lines and not any(in_scope(line, columns, scope) for line in lines):
        raise UsageError(
            f"experiment --scope: no line is {scope_label(scope)}; "
            f"{meant_instead(scope, columns, lines)}"
        )
