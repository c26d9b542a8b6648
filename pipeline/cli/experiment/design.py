"""Design and assign a lift test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.caps import scope_of
from pipeline.cli.experiment.options import (
    Alpha,
    Change,
    Data,
    DateColumn,
    Days,
    Exclude,
    From,
    Name,
    OutcomeColumn,
    Power,
    Scope,
    Seed,
    SpendColumn,
    UnitColumn,
    Units,
    data_place,
    read_panel,
)
from pipeline.cli.show import HERE, AsJson, Person, Workspace, iso_day, print_json, print_table, say
from pipeline.core.errors import UsageError
from pipeline.core.types import scope_label

if TYPE_CHECKING:
    from pipeline.experiments.design import Design

SHOWN = 8


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

    panel = read_panel(data, unit_column, date_column, outcome_column, spend_column)
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
        typer.Option(
            metavar="MONEY",
            help="Another amount per day of the scope: proposes the cap that fixes it.",
        ),
    ] = None,
    metric: Annotated[str, typer.Option(help="What the outcome counts; default: objective.")] = "",
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
        read_panel(data, unit_column, date_column, outcome_column, spend_column),
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
        unit_column=unit_column,
        metric=metric,
        data=data_place(data, unit_column, date_column, outcome_column, spend_column),
    )
    if as_json:
        print_json(record.to_json() | {"cap": None if cap is None else cap.id})
        return
    plan = record.assignment
    say(f"{name}: {plan['from']} to {plan['to']}, treats {', '.join(plan['treated'])}")
    say(f"recorded by {record.assigned_by}; finds a lift of {plan['least_effect']:.1%}")
    if plan["scope"]:
        say(f"until {plan['to']} plans leave {scope_label(plan['scope'])} alone")
    if cap is not None:
        say(f"cap {cap.id} holds {scope_label(cap.scope)} meanwhile, once finance approves it")


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
