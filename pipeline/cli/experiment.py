"""Experiments: design, assign, read out, list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.caps import scope_of
from pipeline.cli.show import (
    HERE,
    AsJson,
    Person,
    Workspace,
    iso_day,
    print_json,
    print_table,
    remark,
    say,
)
from pipeline.core.errors import UsageError
from pipeline.core.types import scope_label

if TYPE_CHECKING:
    from pipeline.core.panel import Panel
    from pipeline.experiments.design import Design
    from pipeline.runs.experiments import Look

SHOWN = 8
Data = Annotated[
    str, typer.Option("--data", metavar="FILE", help="CSV or parquet, one row per unit and day.")
]
UnitColumn = Annotated[str, typer.Option(metavar="NAME", help="Column of regions or audiences.")]
DateColumn = Annotated[str, typer.Option(metavar="NAME")]
OutcomeColumn = Annotated[str, typer.Option(metavar="NAME")]
SpendColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column of money; prices the test.")
]
Units = Annotated[int, typer.Option(metavar="N", help="Units to treat.")]
Days = Annotated[int, typer.Option(metavar="N", help="Length of the test.")]
Alpha = Annotated[float, typer.Option(help="Two-sided error of the whole test.")]
Power = Annotated[float, typer.Option(help="Chance that the least effect is found.")]
Change = Annotated[
    float, typer.Option(help="Change of the treated units' money: 1 doubles, -1 stops it.")
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="UNIT", help="Neither treated nor compared with; again for several."),
]
Seed = Annotated[int, typer.Option(help="Of the draw.")]
From = Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day of the test.")]
Scope = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=VALUE", help="Lines whose money the test changes."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What people call the test.")]

experiment_app = typer.Typer(
    help="Lift tests: design, assign by chance, read out on time.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the experiment commands to the command line."""
    app.add_typer(experiment_app, name="experiment")


@experiment_app.command("design")
def design(
    data: Data,
    units: Units,
    days: Days,
    first: From = None,
    effect: Annotated[float | None, typer.Option(help="Show its power: 0.05 is 5 %.")] = None,
    alpha: Alpha = 0.1,
    power: Power = 0.8,
    spend_change: Change = 1.0,
    exclude: Exclude = None,
    seed: Seed = 1,
    unit_column: UnitColumn = "region",
    date_column: DateColumn = "date",
    outcome_column: OutcomeColumn = "outcome",
    spend_column: SpendColumn = None,
    as_json: AsJson = False,
) -> None:
    """Show which tests the past allows: the least effect they find, and what they cost."""
    from pipeline.runs.experiments import Wish
    from pipeline.runs.experiments import design as design_test

    panel = _panel(data, unit_column, date_column, outcome_column, spend_column)
    day = iso_day(first, "--from")
    wish = Wish(
        units=units,
        days=days,
        alpha=alpha,
        power=power,
        effect=effect,
        spend_change=spend_change,
        excluded=tuple(exclude or ()),
    )
    found = design_test(panel if day is None else panel.until(day), wish, seed)
    if as_json:
        print_json({"designs": [_plain(item) for item in found]})
        return
    _print_designs(found, wish.power)


@experiment_app.command("assign")
def assign(
    name: Name,
    data: Data,
    units: Units,
    days: Days,
    person: Person,
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First day, after today.")],
    scope: Scope = None,
    hold: Annotated[
        float | None,
        typer.Option(metavar="MONEY", help="Per day of the scope: proposes the cap that fixes it."),
    ] = None,
    alpha: Alpha = 0.1,
    power: Power = 0.8,
    spend_change: Change = 1.0,
    exclude: Exclude = None,
    seed: Seed = 1,
    unit_column: UnitColumn = "region",
    date_column: DateColumn = "date",
    outcome_column: OutcomeColumn = "outcome",
    spend_column: SpendColumn = None,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Draw the treated units by chance and record them before the test starts."""
    from pipeline.runs.experiments import Wish
    from pipeline.runs.experiments import assign as assign_test
    from pipeline.runs.portfolio import open_portfolio

    day = iso_day(first, "--from")
    if day is None:
        raise UsageError("experiment assign: give --from DAY, the first day of the test")
    record, cap = assign_test(
        open_portfolio(workspace),
        _panel(data, unit_column, date_column, outcome_column, spend_column),
        Wish(
            units=units,
            days=days,
            alpha=alpha,
            power=power,
            spend_change=spend_change,
            excluded=tuple(exclude or ()),
        ),
        person,
        name=name,
        first_day=day,
        seed=seed,
        scope=scope_of(scope or []),
        hold=hold,
    )
    if as_json:
        print_json(record.to_json() | {"cap": None if cap is None else cap.id})
        return
    plan = record.assignment
    say(f"{name}: {plan['from']} to {plan['to']}, treats {', '.join(plan['treated'])}")
    say(f"recorded by {record.assigned_by}; finds a lift of {plan['least_effect']:.1%}")
    if cap is not None:
        say(f"cap {cap.id} holds {scope_label(cap.scope)} meanwhile, once finance approves it")


@experiment_app.command("read-out")
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

    panel = _panel(data, unit_column, date_column, outcome_column, spend_column)
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
    if as_json:
        print_json(seen.to_json())
    else:
        _print_look(seen)
    if append is not None:
        from pipeline.io.experiment_rows import append_row

        title = name or f"test {seen.result.first_day}"
        row = evidence(seen, name=title, scope=lines, metric=metric, spend_change=moved)
        append_row(append, row)
        remark(f"added {title!r} to {append}")


@experiment_app.command("list")
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


def _panel(path: str, unit: str, day: str, outcome: str, spend: str | None) -> Panel:
    from pipeline.io.panel import read_panel

    return read_panel(path, unit=unit, day=day, outcome=outcome, spend=spend)


def _plain(item: Design) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(item) | {"treated": list(item.treated)}


def _print_designs(found: list[Design], power: float) -> None:
    asked = any(item.power is not None for item in found)
    print_table(
        ("treated", f"least lift found in {power:.0%}", "power", "outcome", "price", "misfit"),
        [
            (
                ", ".join(item.treated),
                f"{item.least_effect:.1%}",
                f"{item.power:.0%}" if item.power is not None else "",
                item.outcome,
                item.price,
                f"{item.fit_error:.1%}",
            )
            for item in found[:SHOWN]
        ],
    )
    hint = "" if asked else "; --effect 0.05 shows the power of 5 %"
    say(f"{len(found)} sets tried on windows of the past in which nothing was done{hint}")


def _print_look(seen: Look) -> None:
    result = seen.result
    say(f"{', '.join(result.treated)}, {result.first_day} to {result.last_day}: {seen.verdict}")
    print_table(
        ("over", "lift", "interval", "confidence", "incremental", "p", "money moved", "iROAS"),
        [
            (
                f"{seen.fraction:.0%}",
                f"{result.lift:+.1%}",
                "not known yet"
                if result.lift_high == float("inf")
                else f"{result.lift_low:+.1%} to {result.lift_high:+.1%}",
                f"{result.confidence:.1%}",
                result.incremental,
                f"{result.p_value:.3f}",
                result.spend_change,
                result.iroas,
            )
        ],
    )
