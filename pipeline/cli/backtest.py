"""Walk forward over the portfolio's own past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.show import HERE, AsJson, Workspace, iso_day, print_json, print_table, say

if TYPE_CHECKING:
    from pipeline.simulation.backtest import Backtest

Day = Annotated[str | None, typer.Option("--date", metavar="DAY", help="Data before it.")]
Weeks = Annotated[int, typer.Option(min=1, max=104, help="Newest complete weeks to score.")]


def backtest(
    workspace: Workspace = HERE, day: Day = None, weeks: Weeks = 8, as_json: AsJson = False
) -> None:
    """Forecast each of the last weeks from what was known before it, and score the forecasts."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.simulation.backtest import walk_forward
    from pipeline.simulation.past import known_pasts, read_past

    portfolio = open_portfolio(workspace)
    history = read_past(portfolio, iso_day(day) or portfolio.today())
    with _bar(weeks) as advance:
        result = walk_forward(
            history,
            portfolio.policy.objective.maximize,
            weeks=weeks,
            known=known_pasts(portfolio),
            progress=advance,
        )
    if as_json:
        print_json({"summary": result.summary(), "weeks": [_plain(cut) for cut in result.cuts]})
        return
    _show(result)


def _show(result: Backtest) -> None:
    print_table(
        (
            "week from", "as known then", "in 90 % interval", "log score", "last week's",
            "error", "last week's", "error of total", "last week's",
        ),
        [
            (
                cut.day.isoformat(), "yes" if cut.as_known else "restated", f"{cut.coverage:.0%}",
                cut.log_score, cut.naive_log_score, f"{cut.error:.1%}", f"{cut.naive_error:.1%}",
                f"{cut.total_error:.1%}", f"{cut.naive_total_error:.1%}",
            )
            for cut in result.cuts
        ],
    )  # fmt: skip
    summary = result.summary()
    say(
        f"{summary['weeks']} weeks of {result.metric}: {summary['coverage']:.0%} of outcomes lay "
        f"in their 90 % interval; error {summary['error']:.1%}, of repeating last week "
        f"{summary['naive_error']:.1%}"
    )
    value = result.decision
    if value is None:
        say("spend hardly changed, so the past cannot say whether outcomes follow the curves")
        return
    say(
        f"{value.changes} real changes of spend: of each predicted effect {value.slope:.2f} came "
        f"(standard error {value.slope_error:.2f}; 1 is right, 0 says that the curves are no use); "
        f"{value.agreement:.0%} of pairs in the right order"
    )


def _bar(weeks: int) -> Any:
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import Progress

    @contextmanager
    def running() -> Any:
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("weeks", total=weeks)
            yield lambda: bar.advance(task)

    return running()


def _plain(cut: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(cut), "day": cut.day.isoformat()}
