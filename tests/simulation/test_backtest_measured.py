"""Walking forward over totals and regions, as days and as weeks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from benchmarks.mix import history_of
from pipeline.core.errors import UsageError
from pipeline.core.history import History, Measured
from pipeline.simulation.backtest import Backtest, walk_forward
from pipeline.simulation.known import Past, settled
from pipeline.simulation.mix import make_mix

REGIONS = ("east", "north", "south", "west")


def walk(history: History, *, weeks: int, unknown: int = 0) -> Backtest:
    """Walk over a history that was always reported as it is, its last lines unknown till later."""

    def past_on(day: date) -> Past:
        past = history.until(history.days.index(day))
        return settled(past.of_lines(np.arange(len(past.lines) - unknown)), "revenue")

    return walk_forward(history, "revenue", past_on=past_on, weeks=weeks)


def flights(n_days: int = 160, seed: int = 3) -> History:
    """Return four regions of two lines each, whose money is moved every fortnight."""
    r = np.random.default_rng(seed)
    moved = np.repeat(r.normal(0, 0.6, (n_days // 14 + 1, 8)), 14, axis=0)[:n_days]
    spend = 100 * np.exp(moved)
    caused = (200 * (1 - np.exp(-spend / 120))).reshape(n_days, 4, 2).sum(axis=2)
    demand = 1 + 0.05 * np.sin(np.arange(n_days) / 20) + 0.02 * r.normal(size=n_days)
    outcome = demand[:, None] * (250 + caused) * (1 + 0.02 * r.normal(size=(n_days, 4)))
    return History(
        days=tuple(date(2025, 1, 6) + timedelta(days=i) for i in range(n_days)),
        lines=tuple((region, channel) for region in REGIONS for channel in ("search", "tv")),
        spend=spend,
        outcomes={},
        trusted=np.ones((n_days, 8), dtype=bool),
        measured=Measured(
            levels=(0,),
            units=tuple((region,) for region in REGIONS),
            outcomes={"revenue": outcome},
            controls={},
            trusted=np.ones((n_days, 4), dtype=bool),
        ),
    )


def changed(history: History, from_day: int, factor: float) -> History:
    measured = history.measured
    assert measured is not None
    table = measured.outcomes["revenue"].copy()
    table[from_day:] *= factor
    return replace(history, measured=replace(measured, outcomes={"revenue": table}))


def distrusted(history: History, day: int, unit: int) -> History:
    measured = history.measured
    assert measured is not None
    trusted = measured.trusted.copy()
    trusted[day, unit] = False
    return replace(history, measured=replace(measured, trusted=trusted))


@pytest.fixture(scope="module")
def regional() -> Backtest:
    return walk(flights(), weeks=3)


def test_regions_are_scored_and_what_spend_did_there_is_compared(regional: Backtest) -> None:
    assert (regional.known_by, regional.names) == ("series", 4)
    assert [cut.lines for cut in regional.cuts] == [4] * 3
    assert regional.summary()["coverage"] >= 0.7
    assert regional.summary()["error"] < regional.summary()["naive_error"]
    assert regional.decision is not None
    assert 0.5 < regional.decision.slope < 1.5
    assert regional.decision.agreement > 0.8


def test_a_week_is_never_fitted_on_what_it_is_scored_on(regional: Backtest) -> None:
    first = regional.cuts[0]
    history = flights()
    cut = history.days.index(first.day)
    again = walk(changed(history, cut + 7, 3.0), weeks=3)
    assert again.cuts[0] == first
    assert again.cuts[1] != regional.cuts[1]


def test_a_region_in_doubt_or_with_new_lines_is_left_out_and_counted(regional: Backtest) -> None:
    history = flights()
    cut = history.days.index(regional.cuts[-1].day)
    found = walk(distrusted(history, cut + 2, 1), weeks=1)
    assert [(week.lines, week.lines_left_out) for week in found.cuts] == [(3, 1)]
    found = walk(history, weeks=1, unknown=1)
    assert [(week.lines, week.lines_left_out) for week in found.cuts] == [(3, 1)]


def test_one_total_cannot_tell_what_spend_did() -> None:
    result = walk(history_of(make_mix(4, n_lines=3, n_days=140), 1), weeks=3)
    assert (result.known_by, result.names, len(result.cuts)) == ("series", 1, 3)
    assert result.decision is None
    assert np.isfinite([v for v in result.summary().values() if isinstance(v, float)]).all()


def test_weeks_need_half_a_year_to_learn_from_and_are_scored_whole() -> None:
    history = history_of(make_mix(4, n_lines=3, n_days=224), 7)
    result = walk(history, weeks=50)
    cuts = [history.days.index(cut.day) for cut in result.cuts]
    assert cuts == [182, 189, 196, 203]
    assert result.n_learning == 182
    with pytest.raises(UsageError, match="196 days of history, need 203"):
        walk(history.until(196), weeks=1)
