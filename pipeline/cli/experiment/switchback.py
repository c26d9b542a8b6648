"""Design a switchback test, and assign it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

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
    OutcomeColumn,
    Power,
    Scope,
    Seed,
    SpendColumn,
    UnitColumn,
    data_place,
    read_panel,
)
from pipeline.cli.show import HERE, AsJson, Workspace, iso_day, print_json, print_table, say
from pipeline.core.errors import UsageError


def switchback(
    data: Data,
    unit: Annotated[list[str], typer.Option(metavar="UNIT", help="Switched; again for several.")],
    days: Days,
    block: Annotated[int, typer.Option(metavar="N", help="Days of a block.")] = 7,
    washout: Annotated[
        int, typer.Option(metavar="N", help="First days of a block that still carry the last one.")
    ] = 2,
    effect: Annotated[float | None, typer.Option(help="Show its power: 0.05 is 5 %.")] = None,
    name: Annotated[
        str | None, typer.Option("--assign", metavar="NAME", help="Draw the blocks and record it.")
    ] = None,
    person: Annotated[str | None, typer.Option("--as", metavar="USER", help="Who assigns.")] = None,
    first: From = None,
    scope: Scope = None,
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
    """Show what switching the same units on and off in random blocks would find; or assign it."""
    from pipeline.runs import switchbacks
    from pipeline.runs.portfolio import open_portfolio

    panel = read_panel(data, unit_column, date_column, outcome_column, spend_column)
    day = iso_day(first, "--from")
    wish = switchbacks.SwitchbackWish(
        units=tuple(unit),
        days=days,
        block_days=block,
        washout_days=washout,
        alpha=alpha,
        power=power,
        effect=effect,
        spend_change=spend_change,
        excluded=tuple(exclude or ()),
    )
    if name is None:
        found = switchbacks.design(panel if day is None else panel.until(day), wish, seed)
        if as_json:
            print_json(asdict(found))
            return
        print_table(
            ("pairs", "days", f"least lift found in {power:.0%}", "power", "outcome", "price"),
            [
                (
                    found.pairs,
                    found.days,
                    f"{found.least_effect:.1%}",
                    "" if found.power is None else f"{found.power:.0%}",
                    found.outcome,
                    found.price,
                )
            ],
        )
        return
    if day is None or person is None:
        raise UsageError("experiment switchback --assign: give --from DAY and --as USER")
    record = switchbacks.assign(
        open_portfolio(workspace),
        panel,
        wish,
        person,
        name=name,
        first_day=day,
        seed=seed,
        scope=scope_of(scope or []),
        unit_column=unit_column,
        metric=metric,
        data=data_place(data, unit_column, date_column, outcome_column, spend_column),
    )
    if as_json:
        print_json(record.to_json())
        return
    plan = record.assignment
    say(f"{name}: {plan['from']} to {plan['to']}, treated on {', '.join(plan['treated_days'])}")
    say(f"recorded by {record.assigned_by}; finds a lift of {plan['least_effect']:.1%}")
