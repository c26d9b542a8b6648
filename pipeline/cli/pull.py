"""Fetching platforms' rows into the portfolio folder."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.show import HERE, AsJson, Workspace, iso_day, print_json, remark, say

Back = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="First day to fetch, for a first load.")
]
One = Annotated[str | None, typer.Option("--feed", metavar="NAME", help="Only this feed.")]
Day = Annotated[
    str | None,
    typer.Option("--date", metavar="DATE", help="Fetch up to the day before; default: today."),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("pull")(pull)


def pull(
    feed: One = None,
    day: Day = None,
    first: Back = None,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Fetch every feed's newest days from its platform into data/feeds. Exit 1 if one failed."""
    from pipeline.core.errors import CheckFailedError
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.pull import pull as pull_feeds

    portfolio = open_portfolio(workspace)
    found = pull_feeds(
        portfolio,
        iso_day(day) or portfolio.today(),
        only=feed,
        first=iso_day(first, "--from"),
        progress=remark,
    )
    if as_json:
        print_json([item.to_json() for item in found])
    else:
        for item in found:
            state = item.problem or f"{item.rows} rows, {item.window.first} to {item.window.last}"
            say(f"{item.feed}  {state}")
    if failed := [item.feed for item in found if item.problem]:
        raise CheckFailedError(f"{', '.join(failed)}: not fetched; the days before are untouched")
