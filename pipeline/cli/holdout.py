"""Standing holdouts: draw which lines stay on the old plan, see what plans are worth, end it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from pipeline.cli.show import (
    HERE,
    AsJson,
    Person,
    Why,
    Workspace,
    iso_day,
    print_json,
    print_table,
    say,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What people call the holdout.")]

holdout_app = typer.Typer(
    help="Keep a share of lines on the old plan, to measure what plans are worth.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the holdout commands to the command line."""
    app.add_typer(holdout_app, name="holdout")


@holdout_app.command("draw")
def draw(
    name: Name,
    person: Person,
    share: Annotated[float, typer.Option(help="Of the units, 0.1 is 10 %.")] = 0.1,
    by: Annotated[
        str, typer.Option(metavar="COLUMN", help="Units: a line column, or `line` for whole lines.")
    ] = "line",
    first: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="First day; default: tomorrow.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw; recorded.")] = 1,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Draw by chance which units stay on the old plan, and record it before the first day."""
    from pipeline.runs import holdouts
    from pipeline.runs.portfolio import open_portfolio

    portfolio = open_portfolio(workspace)
    record = holdouts.draw(
        portfolio,
        person,
        name=name,
        share=share,
        by=by,
        first_day=iso_day(first, "--from") or portfolio.today() + timedelta(days=1),
        seed=seed,
    )
    if as_json:
        print_json(record.to_json())
        return
    drawn = record.assignment
    say(
        f"{name}: from {drawn['from']} on, {len(drawn['treated'])} of {len(drawn['units'])} "
        f"stay on the old plan: {', '.join(drawn['treated'])}"
    )
    say(f"recorded by {record.assigned_by}; 'equimarginal holdout show' says what plans are worth")


@holdout_app.command("show")
def show(workspace: Workspace = HERE, as_json: AsJson = False) -> None:
    """Show what plans were worth against the units kept on the old plan."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.scoring import score_portfolio

    portfolio = open_portfolio(workspace)
    card = score_portfolio(portfolio, portfolio.today())
    if as_json:
        print_json({"holdouts": [item.to_json() for item in card.holdouts]})
        return
    if not card.holdouts:
        say("no holdout has begun; 'equimarginal holdout draw' draws one")
        return
    print_table(
        ("holdout", "since", "held", "days", "plans earn", "90 % interval", "a day", "their money"),
        [
            (
                item.name,
                item.since.isoformat(),
                f"{len(item.held)} of {item.of}",
                "" if item.result is None else item.result.days,
                "not known yet" if item.result is None else f"{item.result.lift:+.1%}",
                ""
                if item.result is None or item.result.low is None or item.result.high is None
                else f"{item.result.low:+.1%} to {item.result.high:+.1%}",
                None if item.result is None else item.result.gain,
                "" if item.result is None else f"{item.result.money:+.1%}",
            )
            for item in card.holdouts
        ],
    )


@holdout_app.command("end")
def end(
    name: Name,
    person: Person,
    why: Why,
    workspace: Workspace = HERE,
) -> None:
    """End a holdout or a test today; from tomorrow its lines are free again."""
    from pipeline.runs import holdouts
    from pipeline.runs.portfolio import open_portfolio

    record = holdouts.end(open_portfolio(workspace), person, name=name, why=why)
    say(f"{name} ends after {record.ended}")
