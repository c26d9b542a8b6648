from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipeline.core.errors import DataNotTrustedError, UsageError
from pipeline.core.history import History, Vintages
from pipeline.simulation import backtest
from pipeline.simulation.backtest import LEAST_PAST_DAYS, MATURING_DAYS, Backtest
from pipeline.simulation.effects import DecisionValue
from pipeline.simulation.known import Past, settled
from pipeline.simulation.worlds import make_world


@pytest.fixture(scope="module")
def history() -> History:
    return make_world("calm", 2, history_days=150, nights=1).history()


def walk_forward(
    history: History, metric: str, *, weeks: int = 8, known: Mapping[date, Past] | None = None
) -> Backtest:
    """Walk over a history that was always reported as it is, but on the days that are `known`."""

    def past_on(day: date) -> Past:
        plain = settled(history.until(history.days.index(day)), metric)
        return (known or {}).get(day, plain)

    return backtest.walk_forward(history, metric, past_on=past_on, weeks=weeks)


def no_vintages() -> Vintages:
    return Vintages(seen_on=np.empty(0), day=np.empty(0), group=(), outcome=np.empty(0))


def doctored(history: History, from_day: int, factor: float) -> History:
    outcomes = {name: table.copy() for name, table in history.outcomes.items()}
    for table in outcomes.values():
        table[from_day:] *= factor
    return replace(history, outcomes=outcomes)


def test_most_outcomes_lie_inside_their_interval(history: History) -> None:
    result = walk_forward(history, "revenue", weeks=5)
    assert len(result.cuts) == 5
    assert result.summary()["coverage"] > 0.7
    assert result.summary()["error"] < 0.3


def test_a_week_is_never_fitted_on_what_it_is_scored_on(history: History) -> None:
    whole = walk_forward(history, "revenue", weeks=2)
    first = whole.cuts[0]
    cut = history.days.index(first.day)
    changed = walk_forward(doctored(history, cut + 7, 3.0), "revenue", weeks=2)
    assert changed.cuts[0] == first
    assert changed.cuts[1] != whole.cuts[1]


def test_newest_days_are_left_to_mature_and_the_oldest_to_learn_from(history: History) -> None:
    result = walk_forward(history, "revenue", weeks=50)
    assert history.days.index(result.cuts[-1].day) == len(history.days) - MATURING_DAYS - 7
    assert history.days.index(result.cuts[0].day) >= LEAST_PAST_DAYS


def test_a_past_that_a_night_kept_is_used_as_it_was_known(history: History) -> None:
    day = walk_forward(history, "revenue", weeks=1).cuts[0].day
    cut = history.days.index(day)
    seen = History(
        days=history.days[:cut],
        lines=history.lines,
        spend=history.spend[:cut],
        outcomes={name: table[:cut] * 0.9 for name, table in history.outcomes.items()},
        trusted=history.trusted[:cut],
    )
    past = Past(history=seen, vintages=no_vintages(), as_known=True)
    result = walk_forward(history, "revenue", weeks=1, known={day: past})
    assert result.cuts[0].as_known
    assert result.summary()["weeks_as_known"] == 1


def test_a_week_that_nobody_can_judge_is_left_out_and_said(history: History) -> None:
    trusted = history.trusted.copy()
    trusted[-MATURING_DAYS - 3] = False  # one day of the newest week, for all lines
    trusted[-MATURING_DAYS - 9, 0] = False  # one line of the week before
    result = walk_forward(replace(history, trusted=trusted), "revenue", weeks=2)
    assert [cut.lines_left_out for cut in result.cuts] == [1]
    assert result.cuts[0].lines == len(history.lines) - 1
    assert [week.why for week in result.left_out] == [
        "the data of the week are in doubt for every line"
    ]
    summary = result.summary()
    assert (summary["weeks"], summary["weeks_left_out"]) == (1, 1)
    assert np.isfinite([v for v in summary.values() if isinstance(v, float)]).all()


def test_a_morning_that_would_have_refused_its_data_foretells_nothing(history: History) -> None:
    day = walk_forward(history, "revenue", weeks=1).cuts[0].day
    past = history.until(history.days.index(day))
    refused = Past(history=past, vintages=no_vintages(), fault="spend: newest day is missing")
    with pytest.raises(DataNotTrustedError, match=r"none of 1 weeks .* newest day is missing"):
        walk_forward(history, "revenue", weeks=1, known={day: refused})


def test_a_line_that_a_morning_did_not_know_is_left_out_and_counted(history: History) -> None:
    day = walk_forward(history, "revenue", weeks=1).cuts[0].day
    past = history.until(history.days.index(day)).of_lines(np.arange(1, len(history.lines)))
    known = {day: settled(past, "revenue")}
    cut = walk_forward(history, "revenue", weeks=1, known=known).cuts[0]
    assert (cut.lines, cut.lines_left_out) == (len(history.lines) - 1, 1)


def test_more_weeks_than_there_are_are_not_pretended() -> None:
    short = make_world("calm", 2, history_days=81, nights=1).history()
    result = walk_forward(short, "revenue", weeks=104)
    assert (result.asked, result.n_days, len(result.cuts)) == (104, 81, 1)


def test_real_changes_of_spend_are_worth_what_the_curves_say() -> None:
    world = make_world("flights", 3, history_days=180, nights=1)
    value = walk_forward(world.history(), "revenue", weeks=8).decision
    assert isinstance(value, DecisionValue)
    assert value.agreement > 0.6
    assert 0.3 < value.slope < 2.0


def test_without_changes_of_spend_nothing_is_claimed(history: History) -> None:
    steady = np.broadcast_to(history.spend.mean(axis=0), history.spend.shape).copy()
    assert walk_forward(replace(history, spend=steady), "revenue", weeks=2).decision is None


def test_a_short_past_and_a_missing_metric_are_refused(history: History) -> None:
    short = make_world("calm", 2, history_days=60, nights=1).history()
    with pytest.raises(UsageError, match="60 days of history, need 81"):
        walk_forward(short, "revenue")
    with pytest.raises(UsageError, match="no 'profit'"):
        walk_forward(history, "profit")
