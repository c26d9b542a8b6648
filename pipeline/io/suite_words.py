"""What a suite found, in words for those who made the data: table, row, column, value and limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.core.findings import Finding, Level
from pipeline.io.checks import printable

TABLES: Mapping[str, str] = {
    "creative_day": "exposures by day",
    "segment_day": "contacts by day",
    "decision_cell": "decisions added up",
    "customer_context": "customers added up",
    "line_day": "spend and outcomes by day",
    "spend": "spend by day",
    "outcomes": "outcomes by day",
    "experiments": "experiments",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One result: where it was found first, what was there, and what the suite asks for."""

    kwargs: Mapping[str, Any]
    column: str
    observed: str
    at: str
    cells: Mapping[str, str]

    @property
    def limits(self) -> str:
        """What is needed, such as `more than 0` or `0 to 1`."""
        low, high = (_plain(self.kwargs.get(name)) for name in ("min_value", "max_value"))
        if low and low == high:
            return f"need {low}"
        above = f"more than {low}" if self.kwargs.get("strict_min") else f"{low} or more"
        if low and high:
            return f"need {above}, at most {high}" if "more" in above else f"need {low} to {high}"
        return f"need {above}" if low else f"need at most {high}"

    @property
    def value(self) -> str:
        """What stands there first."""
        return self.cells.get(self.column, self.observed)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float | int) else str(value)


def _pair(seen: _Seen) -> str:
    larger, smaller = (str(seen.kwargs[name]) for name in ("column_A", "column_B"))
    return (
        f"{seen.at}{larger} is {seen.cells.get(larger, '?')} and {smaller} "
        f"{seen.cells.get(smaller, '?')}; {smaller} cannot be more"
    )


_SAID: Mapping[str, tuple[str, Callable[[_Seen], str]]] = {
    "expect_table_row_count_to_be_between": (
        "rows",
        lambda s: f"{s.observed or 0} rows, {s.limits}",
    ),
    "expect_compound_columns_to_be_unique": (
        "repeated",
        lambda s: f"{s.at}is there more than once",
    ),
    "expect_column_values_to_not_be_null": ("missing", lambda s: f"{s.at}{s.column} is missing"),
    "expect_column_values_to_be_between": (
        "out-of-range",
        lambda s: f"{s.at}{s.column} is {s.value}, {s.limits}",
    ),
    "expect_column_sum_to_be_between": (
        "sum",
        lambda s: f"{s.column} adds up to {s.observed}, {s.limits}",
    ),
    "expect_column_min_to_be_between": (
        "first",
        lambda s: f"the least {s.column} is {s.observed}, {s.limits}",
    ),
    "expect_column_max_to_be_between": (
        "last",
        lambda s: f"the newest {s.column} is {s.observed}, {s.limits}",
    ),
    "expect_column_mean_to_be_between": (
        "mean",
        lambda s: f"{s.column} is {s.observed} on average, {s.limits}",
    ),
    "expect_column_unique_value_count_to_be_between": (
        "different",
        lambda s: f"{s.observed} different values of {s.column}, {s.limits}",
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": ("swapped", _pair),
}
"""Type of an expectation -> slug of its check, and its sentence."""


def finding_of(result: dict[str, Any]) -> Finding | None:
    """Return the finding of one result, None when the expectation held."""
    name = TABLES.get(result["table"], result["table"])
    if result["errored"]:
        return Finding(
            level=Level.FAIL,
            check="suite-error",
            message=printable(
                f"{name}: the check of {result['column'] or 'the table'} could not be made: "
                f"{result['errored']}"
            ),
            advice="mend the suite under expectations/ or the table that it reads",
            source=result["table"],
            column=result["column"],
        )
    if result["success"]:
        return None
    slug, said = _SAID.get(result["type"], ("suite", _unknown))
    first = result["first"]
    keys = [value for key, value in first.items() if key in result["keys"]]
    seen = _Seen(
        kwargs=result["kwargs"],
        column=result["column"],
        observed=result["observed"],
        at=f"{' / '.join(keys)}: " if keys else "",
        cells=first,
    )
    more = f"; {result['unexpected']:,} rows are like it" if result["unexpected"] > 1 else ""
    where = "-".join(filter(None, (result["column"].replace(", ", "-"), slug)))
    return Finding(
        level=Level.FAIL if result["severity"] == "critical" else Level.REVIEW,
        check=where.replace("_", "-"),
        message=printable(f"{name}: {said(seen)}{more}"),
        advice=result["notes"],
        source=result["table"],
        column=result["column"],
        value=printable(seen.value)[:200],
    )


def _unknown(seen: _Seen) -> str:
    return f"{seen.at}{seen.column or 'the table'} is not as the suite needs it: {seen.value}"
