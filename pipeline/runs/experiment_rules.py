"""What no test may be: assigned after it began, of no line, or among units of another test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from pipeline.core.errors import UsageError
from pipeline.runs.portfolio import Portfolio

if TYPE_CHECKING:
    from pipeline.io.ledger import ExperimentRecord


def check_start(portfolio: Portfolio, name: str, first_day: date, scope: Mapping[str, str]) -> None:
    """Refuse a test that would be assigned after it began, or of lines that cannot be.

    Raises:
        UsageError: it starts today or earlier, or the scope names no column of lines.
    """
    today = portfolio.today()
    if first_day <= today:
        raise UsageError(
            f"experiment {name!r}: starts {first_day}, today is {today}; "
            "who is treated is recorded before the first day, so name a later one"
        )
    _check_scope(scope, portfolio.policy.line)


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

    Cells side by side are fine where each leaves the other's units out.

    Args:
        others: tests that are recorded.
        days: first and last.
        treated, excluded: units of this test.

    Raises:
        UsageError: they would be compared with units that another test changes.
    """
    for other in others:
        plan = other.assignment
        last = other.ended or plan["to"]
        if plan.get("kind") != "geo" or plan.get("unit_column", "") != unit_column:
            continue
        apart = last < days[0].isoformat() or days[1].isoformat() < plan["from"]
        theirs = set(plan["treated"])
        if other.name == name or apart or (theirs <= {*excluded} and not theirs & {*treated}):
            continue
        raise UsageError(
            f"experiment {name!r}: test {other.name!r} treats {', '.join(plan['treated'])} from "
            f"{plan['from']} to {last}, and they would be compared with; start after it, or leave "
            f"them out with {' '.join(f'--exclude {unit}' for unit in plan['treated'])}"
        )


def _check_scope(scope: Mapping[str, str], columns: Sequence[str]) -> None:
    if unknown := sorted(set(scope) - set(columns)):
        raise UsageError(
            f"experiment --scope: no column {unknown[0]!r}, lines have {', '.join(columns)}"
        )
