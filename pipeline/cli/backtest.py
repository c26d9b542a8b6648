"""Walk forward over the portfolio's own past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    from pipeline.simulation.past import own_past

    portfolio = open_portfolio(workspace)
    with own_past(portfolio, iso_day(day) or portfolio.today()) as past, _bar() as advance:
        result = walk_forward(
            past.history,
            portfolio.policy.objective.maximize,
            past_on=past.on,
            weeks=weeks,
            progress=advance,
        )
    if as_json:
        print_json(
            {
                "summary": result.summary(),
                "weeks": [_plain(cut) for cut in result.cuts],
                "left_out": [_plain(week) for week in result.left_out],
            }
        )
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
        f"{_counted(summary['weeks'], 'week')} of {result.metric}: {summary['coverage']:.0%} of "
        f"outcomes lay in their 90 % interval; error {summary['error']:.1%}, of repeating last "
        f"week {summary['naive_error']:.1%}"
    )
    for remark in _unscored(result):
        say(remark)
    say(_decision(result))


def _unscored(result: Backtest) -> Iterator[str]:
    """Yield what the scores do not cover, and why."""
    from pipeline.simulation.backtest import MATURING_DAYS

    summary = result.summary()
    tried = len(result.cuts) + len(result.left_out)
    if tried < result.asked:
        yield (
            f"{result.asked} weeks were asked for, and {result.n_days} days of history have room "
            f"for {tried}: the first {result.n_learning} days are to learn from, the last "
            f"{MATURING_DAYS} are still coming in"
        )
    for week in result.left_out:
        yield f"left out: the week from {week.day}: {week.why}"
    if summary["line_weeks_left_out"]:
        total = summary["line_weeks"] + summary["line_weeks_left_out"]
        yield (
            f"left out: {summary['line_weeks_left_out']} of {total} {result.known_by}-weeks, whose "
            "data are in doubt ('equimarginal check' says why) or whose line was new"
        )


def _decision(result: Backtest) -> str:
    """Return whether outcomes followed real changes of spend, in words."""
    value = result.decision
    if value is None and result.names < 2:
        return (
            f"one {result.known_by} has nothing beside it that would tell what spend did from what "
            "demand did, so the past cannot say whether outcomes follow the curves; lift tests can"
        )
    if value is None:
        return "spend hardly changed, so the past cannot say whether outcomes follow the curves"
    reach = (
        ""
        if value.slope_error is None
        else f" (90 % interval {value.slope_low:.2f} to {value.slope_high:.2f})"
    )
    return (
        f"{_counted(value.changes, 'real change')} of spend in {_counted(value.weeks, 'week')}: of "
        f"each predicted effect {value.slope:.2f} came{reach}: {value.meaning()}; 1 is right, 0 "
        f"says that the curves are no use; {value.agreement:.0%} of pairs in the right order"
    )


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


@contextmanager
def _bar() -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("weeks", total=None)

        def advance(left: int) -> None:
            bar.advance(task)
            bar.update(task, total=bar.tasks[0].completed + left)

        yield advance


def _plain(item: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(item), "day": item.day.isoformat()}
