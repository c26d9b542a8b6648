"""What every command shares: the folder option, results on stdout, remarks on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.core.errors import UsageError

if TYPE_CHECKING:
    from datetime import date

    from pipeline.core.decision import DecisionPlan
    from pipeline.core.plan import Plan, Uplift

Workspace = Annotated[
    Path, typer.Option("-w", "--workspace", metavar="DIR", help="The portfolio folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Person = Annotated[str, typer.Option("--as", metavar="USER", help="A person of portfolio.yaml.")]
HERE = Path()


def _why(text: str | None) -> str | None:
    """Return the reason that was given.

    Raises:
        UsageError: it says nothing.
    """
    if text is not None and not text.strip():
        raise UsageError("--why: says nothing; give the reason in a few words, it is kept")
    return text


_WHY = typer.Option("--why", metavar="TEXT", help="The reason, for the record.", callback=_why)
Why = Annotated[str, _WHY]
WhyIfSaid = Annotated[str | None, _WHY]


def print_json(value: Any) -> None:
    """Print a result as JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def say(message: str) -> None:
    """Print a result line on stdout, safe against terminal codes in names."""
    sys.stdout.write(plain(message) + "\n")


def remark(message: str) -> None:
    """Print a message for people on stderr."""
    sys.stderr.write(plain(message) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows for people: aligned, numbers to the right, never cut, no number broken."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console = Console(highlight=False, width=None if console.is_terminal else 200)
    shown = [[_cell(value) for value in row] for row in rows]
    cells = [[row[position] for row in shown] for position in range(len(columns))]
    longest = [max(map(len, column), default=0) for column in cells]
    wanted = sum(max(len(name), size) + 3 for name, size in zip(columns, longest, strict=True))
    is_tight = wanted > console.width
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0) if is_tight else (0, 1))
    for name, column, size in zip(columns, cells, longest, strict=True):
        numeric = bool(column) and all(map(_is_number, column))
        table.add_column(
            name,
            justify="right" if numeric else "left",
            overflow="fold",
            min_width=size if numeric else None,
            # Where room is short, a heading gives way before a number or a name does.
            max_width=max(size, *map(len, name.split())) if numeric and is_tight else None,
        )
    for row in shown:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def gained_in(plan: Plan | DecisionPlan) -> str:
    """Return what the plan's gain counts: `EUR of revenue`, `conversions`."""
    from pipeline.core.money import outcome_unit

    return outcome_unit(plan.expected.metric, plan.currency) if plan.expected else "outcome"


def odds(uplift: Uplift) -> str:
    """Return how sure it is that a plan is better, in words."""
    if uplift.better is None:
        return "the same as today"
    return f"better with probability {uplift.better:.2f}"


def iso_day(text: str | None, option: str = "--date") -> date | None:
    """Return the day that an option names, None where it was not given.

    Raises:
        UsageError: it is no ISO date, or centuries away.
    """
    from datetime import date

    from pipeline.core.clock import near_day

    if text is None:
        return None
    try:
        return near_day(date.fromisoformat(text), option)
    except ValueError as error:
        raise UsageError(f"{option}: got {text!r}, need an ISO date such as 2026-11-22") from error


def plain(text: str) -> str:
    r"""Return the text with control and direction characters as `\uXXXX`."""
    return "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}" for character in text
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,.2f}" if isinstance(value, float) else plain(str(value))


def _is_number(text: str) -> bool:
    return not text.strip("0123456789.,+-% ") and text != ""
