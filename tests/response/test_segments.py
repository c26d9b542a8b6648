"""Very many lines in segments: every line once, like portfolios, and the answer of one fit."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.core.history import History, LeadSeries, LiftTest
from pipeline.response import FitSettings, fit_response, segments
from pipeline.response.experiments import readouts, treatments
from pipeline.response.segments import segments_of, shared_tests

N_DAYS = 60
FIRST = date(2026, 1, 1)


def history(channels: dict[str, int], seed: int = 1) -> History:
    """A portfolio with so many lines a channel, demand of its own in each, elasticity 0.4."""
    rng = np.random.default_rng(seed)
    lines = tuple(sorted((name, f"{i:04d}") for name, n in channels.items() for i in range(n)))
    place = {name: i for i, name in enumerate(channels)}
    channel = np.array([place[line[0]] for line in lines])
    usual = rng.lognormal(4, 0.7, len(lines))
    demand = 0.1 * np.sin(np.arange(N_DAYS)[:, None] / 9 + np.arange(len(channels)))[:, channel]
    spend = usual * np.exp(0.5 * demand + rng.normal(0, 0.3, (N_DAYS, len(lines))))
    mean = 0.3 * usual * np.exp(demand) * (0.4 + 0.6 * (spend / usual) ** 0.6)
    return History(
        days=tuple(FIRST + timedelta(days=day) for day in range(N_DAYS)),
        lines=lines,
        spend=spend,
        outcomes={"conversions": rng.poisson(mean).astype(float)},
        trusted=np.ones(spend.shape, dtype=bool),
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of some dozens of lines."""
    monkeypatch.setattr(segments, "SEGMENT_LINES", 60)
    monkeypatch.setattr(segments, "CHANNEL_LINES", 20)


def test_few_lines_are_one_segment() -> None:
    (places,) = segments_of(history({"a": 5, "b": 3}))
    assert places.tolist() == list(range(8))


@pytest.mark.usefixtures("small")
def test_every_line_is_in_one_segment_and_each_has_of_every_large_channel() -> None:
    past = history({"large": 130, "wide": 60, "few": 19, "one": 1})
    found = segments_of(past)
    assert len(found) == 4
    assert sorted(np.concatenate(found).tolist()) == list(range(len(past.lines)))
    assert max(map(len, found)) - min(map(len, found)) <= 20
    channels = [[past.lines[i][0] for i in places] for places in found]
    assert all(names.count("large") >= 32 for names in channels)
    assert sum("wide" in names for names in channels) == 3  # 60 lines are three times 20
    assert [names.count("few") for names in channels if "few" in names] == [19]
    money = [past.spend[:, places].sum() / len(places) for places in found]
    assert max(money) < 1.5 * min(money)


def test_channels_that_stay_together_leave_no_segment_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_LINES", 30)
    assert [len(places) for places in segments_of(history({"a": 45, "b": 45}))] == [45, 45]


def test_a_part_of_history_is_the_lines_as_if_there_were_no_others() -> None:
    past = history({"a": 4})
    lead = LeadSeries(table=past.spend + 1)
    part = replace(past, leads={"clicks": lead}).of_lines(np.array([1, 3]))
    assert part.lines == (past.lines[1], past.lines[3])
    np.testing.assert_array_equal(part.leads["clicks"].table, past.spend[:, [1, 3]] + 1)
    np.testing.assert_array_equal(
        part.outcomes["conversions"], past.outcomes["conversions"][:, [1, 3]]
    )


def lift_test(past: History, lines: tuple[int, ...]) -> LiftTest:
    return LiftTest(
        lines=tuple(past.lines[i] for i in lines),
        first_day=past.days[30],
        last_day=past.days[39],
        lift=60.0,
        standard_error=12.0,
        spend_change=800.0,
        spend_without=2_000.0,
    )


def test_a_lift_test_over_segments_is_split_by_its_money() -> None:
    past = history({"a": 6})
    test = lift_test(past, (0, 1, 4))
    first, second = (shared_tests(past, (test,), np.array(at)) for at in ([0, 1, 2], [3, 4, 5]))
    money = past.spend[30:40, [0, 1, 4]].sum(axis=0)
    assert [len(one.lines) for one in (*first, *second)] == [2, 1]
    assert second[0].lift == pytest.approx(60 * money[2] / money.sum())
    for name in ("lift", "spend_change", "spend_without"):
        whole = getattr(first[0], name) + getattr(second[0], name)
        assert whole == pytest.approx(getattr(test, name))
    assert first[0].standard_error == second[0].standard_error == 12.0
    # The curves see on each line the money that they would see in one fit.
    reference = past.spend.mean(axis=0)
    whole, here = past, past.of_lines(np.array([3, 4, 5]))
    (all_of_it,), (part,) = (
        readouts(treatments(seen, tests, seen.spend), at, np.ones(seen.spend.shape))
        for seen, tests, at in ((whole, (test,), reference), (here, second, reference[3:]))
    )
    np.testing.assert_allclose(part.contrast[..., 0], all_of_it.contrast[..., 2], rtol=1e-6)


def test_a_lift_test_stays_whole_where_its_lines_are_and_is_nothing_elsewhere() -> None:
    past = history({"a": 4})
    test, elsewhere = lift_test(past, (0, 2)), replace(lift_test(past, (0,)), lines=(("b", "x"),))
    assert shared_tests(past, (test, elsewhere), np.array([0, 2, 3])) == (test,)
    assert shared_tests(past, (test, elsewhere), np.array([1])) == ()


@pytest.mark.usefixtures("small")
def test_segments_find_what_one_fit_finds() -> None:
    """Elasticities and tomorrow's demand of 180 lines, in one fit and in three."""
    past = history({"a": 100, "b": 80})
    settings = FitSettings(metric="conversions")
    whole = fit_response(past, settings)
    elasticity = whole.summary()["elasticity"]
    spread = (elasticity[:, 2] - elasticity[:, 1]) / 3.3
    found = segments_of(past)
    assert len(found) == 3
    for places in found:
        part = fit_response(past.of_lines(places), settings)
        away = (part.summary()["elasticity"][:, 0] - elasticity[places, 0]) / spread[places]
        assert np.abs(away).max() < 1.0
        assert np.abs(away).mean() < 0.35
        np.testing.assert_allclose(part.demand, whole.demand[places], rtol=0.05)
