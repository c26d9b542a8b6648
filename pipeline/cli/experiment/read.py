"""Read lift tests out, and list them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.caps import scope_of
from pipeline.cli.experiment.options import (
    Alpha,
    Data,
    DateColumn,
    Exclude,
    From,
    OutcomeColumn,
    Scope,
    SpendColumn,
    UnitColumn,
    read_panel,
)
from pipeline.cli.show import HERE, AsJson, Workspace, iso_day, print_json, print_table, remark, say
from pipeline.core.errors import UsageError

if TYPE_CHECKING:
    from pipeline.runs.experiments import Look


def read_out(
    data: Data,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="An assigned test; or give --treated.")
    ] = None,
    person: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Who looks at an assigned test.")
    ] = None,
    treated: Annotated[
        list[str] | None, typer.Option(metavar="UNIT", help="Again for several.")
    ] = None,
    first: From = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="Last day as planned.")
    ] = None,
    looked: Annotated[
        list[float] | None,
        typer.Option(metavar="SHARE", help="Of the test over at an earlier look; again for more."),
    ] = None,
    alpha: Alpha = 0.1,
    exclude: Exclude = None,
    scope: Scope = None,
    metric: Annotated[str, typer.Option(help="What the outcome counts; default: objective.")] = "",
    moved: Annotated[
        float | None, typer.Option(metavar="MONEY", help="Spent more or less in the window.")
    ] = None,
    append: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add the result to the CSV of sources.experiments."),
    ] = None,
    unit_column: UnitColumn = "region",
    date_column: DateColumn = "date",
    outcome_column: OutcomeColumn = "outcome",
    spend_column: SpendColumn = None,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Say what a test showed, with an honest interval; early looks may rarely decide."""
    from pipeline.runs.experiments import evidence, look, look_at
    from pipeline.runs.portfolio import open_portfolio

    panel = read_panel(data, unit_column, date_column, outcome_column, spend_column)
    lines = scope_of(scope or [])
    if name is not None:
        if treated or first or last or looked or exclude or lines or person is None:
            raise UsageError(
                f"experiment read-out {name}: units, days and scope are recorded; "
                "give --as USER and none of them"
            )
        record, seen = look_at(open_portfolio(workspace), panel, name, person)
        lines = record.assignment["scope"]
    else:
        begin, end = iso_day(first, "--from"), iso_day(last, "--to")
        if not treated or begin is None or end is None:
            raise UsageError(
                "experiment read-out: give the NAME of an assigned test, "
                "or --treated UNIT, --from DAY and --to DAY"
            )
        seen = look(
            panel,
            treated,
            begin,
            end,
            alpha=alpha,
            earlier=looked or (),
            excluded=tuple(exclude or ()),
        )
    if moved is not None:
        seen = seen.with_money(moved)
    if as_json:
        print_json(seen.to_json())
    else:
        _print_look(seen)
    if append is not None:
        from pipeline.io.experiment_rows import append_row

        title = name or f"test {seen.result.first_day}"
        row = evidence(seen, name=title, scope=lines, metric=metric)
        append_row(append, row)
        remark(f"added {title!r} to {append}")


def list_experiments(workspace: Workspace = HERE, as_json: AsJson = False) -> None:
    """List the assigned tests and what the looks at them showed."""
    from pipeline.runs.experiments import listed
    from pipeline.runs.portfolio import open_portfolio

    found = listed(open_portfolio(workspace))
    if as_json:
        print_json({"experiments": [record.to_json() for record in found]})
        return
    if not found:
        say("no experiment was assigned yet")
        return
    print_table(
        ("test", "from", "to", "treated", "finds", "looks", "last lift", "verdict"),
        [
            (
                record.name,
                record.assignment["from"],
                record.assignment["to"],
                ", ".join(record.assignment["treated"]),
                f"{record.assignment['least_effect']:.1%}",
                len(record.looks),
                f"{record.looks[-1]['lift']:+.1%}" if record.looks else "",
                record.looks[-1]["verdict"].partition(":")[0] if record.looks else "",
            )
            for record in found
        ],
    )


def _between(low: float, high: float) -> str:
    """Return an interval in words, an end that is not known as such."""
    if math.isinf(low) and math.isinf(high):
        return "not known yet"
    ends = ("unknown" if math.isinf(end) else f"{end:+.1%}" for end in (low, high))
    return " to ".join(ends)


def _print_look(seen: Look) -> None:
    result = seen.result
    say(f"{', '.join(result.treated)}, {result.first_day} to {result.last_day}: {seen.verdict}")
    print_table(
        ("over", "lift", "interval", "confidence", "incremental", "p", "money moved", "iROAS"),
        [
            (
                f"{seen.fraction:.0%}",
                f"{result.lift:+.1%}",
                _between(result.lift_low, result.lift_high),
                f"{result.confidence:.1%}",
                result.incremental,
                f"{result.p_value:.3f}",
                result.spend_change,
                result.iroas,
            )
        ],
    )
