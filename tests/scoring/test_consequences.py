"""An alarm does something, says what, and ends."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.core.types import Line
from pipeline.core.watch import Watch
from pipeline.response.maturity import Maturity, learn_maturity
from pipeline.scoring.consequences import TOLD_DAYS, alarms_of, ends_of, watch_of
from pipeline.scoring.drift import alarm_limit, find_shifts
from pipeline.scoring.inputs import Seen, watched_series

DAYS = 120
LINES: tuple[Line, ...] = tuple((c, a) for c in ("search", "social", "tv", "video") for a in "abcd")
CALENDAR = [date(2026, 1, 1) + timedelta(days=i) for i in range(DAYS)]
TODAY = CALENDAR[-1] + timedelta(days=1)


def world(seed: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (DAYS, len(LINES))
    budget = np.full(shape, 500.0)
    season = np.exp(0.3 * np.sin(np.arange(DAYS) / 9.0))[:, None]  # all lines alike
    spend = budget * np.exp(0.02 * rng.standard_normal(shape))
    clicks = spend * 2 * season * np.exp(0.05 * rng.standard_normal(shape))
    return {
        "spend": spend,
        "budget": budget,
        "impressions": clicks * 50 * np.exp(0.05 * rng.standard_normal(shape)),
        "clicks": clicks,
        "conversions": rng.poisson(clicks * 0.05).astype(float),
    }


def watch(
    data: dict[str, np.ndarray],
    hold_days: float = 14,
    mornings_ago: int = 0,
    late: Maturity | None = None,
) -> Watch:
    rows = slice(DAYS - mornings_ago)
    data, calendar = {name: table[rows] for name, table in data.items()}, CALENDAR[rows]
    today = TODAY - timedelta(days=mornings_ago)
    outcome = data["conversions"] * 50
    seen = Seen(
        **data,
        outcome=outcome,
        complete=np.ones(outcome.shape) if late is None else late.share,
        doubt=np.zeros(len(outcome)) if late is None else late.log_sd,
        trusted=np.ones(outcome.shape, dtype=bool),
    )
    watched = watched_series(seen)
    limit = alarm_limit(len(watched.kind), 1.0)
    shifts = find_shifts(watched.series, limit)
    alarms = alarms_of(watched, shifts, calendar, LINES, today, hold_days)
    return watch_of(
        alarms,
        LINES,
        series=len(watched.kind),
        false_alarms_per_year=1.0,
        limit=limit,
        findings=ends_of(alarms),
    )


def test_a_total_that_leaves_its_forecasts_widens_every_curve() -> None:
    """Where lines have no outcomes there is one residual, and nothing falls back on it."""
    data = world()
    unknown = np.full(data["spend"].shape, np.nan)
    rng = np.random.default_rng(5)
    for shift, alarmed in ((0.0, False), (-2.5, True)):
        whole = rng.standard_normal(DAYS)
        whole[:50], whole[-3:] = np.nan, np.nan  # before the first forecast, and not whole yet
        whole[-14:] += shift
        watched = watched_series(
            Seen(
                **(data | {"conversions": unknown}),
                outcome=unknown,
                complete=np.ones(unknown.shape),
                doubt=np.zeros(DAYS),
                trusted=np.ones(unknown.shape, dtype=bool),
            ),
            whole=whole,
        )
        assert watched.kind.count("residual") == 1
        shifts = find_shifts(watched.series, alarm_limit(len(watched.kind), 1.0))
        alarms = alarms_of(watched, shifts, CALENDAR, LINES, TODAY, 14)
        found = watch_of(alarms, LINES, series=1, false_alarms_per_year=1.0, limit=1.0)
        assert bool(alarms) is alarmed
        assert {item.widen for item in found.by_line().values()} == ({2.0} if alarmed else set())
    (alarm,) = alarms
    assert (alarm.kind, alarm.line, alarm.consequence) == ("residual", (), "widen")
    assert abs((alarm.began - CALENDAR[-14]).days) <= 3
    assert "standard deviations since" in found.findings[0].message


def test_a_season_that_all_lines_share_is_no_alarm() -> None:
    found = watch(world())
    assert found.series == 5 * len(LINES) + 1
    assert not found.alarms
    assert not found.lines


def test_a_tag_that_loses_conversions_holds_its_line() -> None:
    data = world()
    data["conversions"][-12:, 2] *= 0.4
    found = watch(data)
    tracking = [alarm for alarm in found.alarms if alarm.kind == "tracking"]
    assert [alarm.line for alarm in tracking] == [LINES[2]]
    assert tracking[0].is_active
    assert -0.75 < tracking[0].change < -0.4
    assert abs((tracking[0].began - CALENDAR[-12]).days) <= 3
    assert "conversions per click" in found.by_line()[LINES[2]].hold
    assert any(f.check == "drift-tracking" and "until" in f.message for f in found.findings)


def test_a_dearer_click_widens_its_curve_and_frees_the_line() -> None:
    data = world()
    data["clicks"][-14:, 1] *= 0.7
    data["impressions"][-14:, 1] *= 0.7
    data["conversions"][-14:, 1] = np.round(data["conversions"][-14:, 1] * 0.7)
    mine = watch(data).by_line()[LINES[1]]
    assert mine.widen == 2.0
    assert mine.hold == ""


def test_an_alarm_ends_when_the_new_level_is_learned() -> None:
    data = world()
    data["conversions"][-60:, 2] *= 0.4
    found = watch(data)
    assert any(alarm.line == LINES[2] for alarm in found.alarms)
    assert LINES[2] not in found.by_line()
    assert not found.findings


def test_an_alarm_ends_early_when_the_old_level_is_back() -> None:
    data = world()
    data["conversions"][-22:-8, 2] *= 0.4
    found = watch(data, hold_days=60)
    alarm = next(a for a in found.alarms if a.line == LINES[2] and a.kind == "tracking")
    assert alarm.ends >= TODAY
    assert not alarm.is_active


def losing(first: int, last: int) -> dict[str, np.ndarray]:
    """A world in which one line loses 60 % of its conversions on some of the rows."""
    data = world()
    lost = np.random.default_rng(2).binomial(data["conversions"][first:last, 2].astype(int), 0.6)
    data["conversions"][first:last, 2] -= lost
    return data


def test_an_alarm_keeps_its_dates_and_its_end_is_told_the_morning_after() -> None:
    data = losing(80, DAYS)
    told = {}
    for ago in range(DAYS - 80, -1, -1):
        mine = (f for f in watch(data, mornings_ago=ago).findings if f.line == LINES[2])
        told[TODAY - timedelta(days=ago)] = {
            f.check: f for f in mine if "conversions per click" in f.message
        }
    running = {
        day: said["drift-tracking"] for day, said in told.items() if "drift-tracking" in said
    }
    ends = {found.message.rpartition("until ")[2] for found in running.values()}
    assert len(ends) == 1  # the day that was promised at first
    assert ends == {max(running).isoformat()}
    assert all(f"since about {CALENDAR[80].isoformat()}" in f.message for f in running.values())
    assert (min(running) - CALENDAR[80]).days <= 6
    after = [day for day, said in told.items() if "drift-ended" in said]
    assert [(day - max(running)).days for day in after] == list(range(1, TOLD_DAYS + 1))
    said = told[after[0]]["drift-ended"]
    assert said.level.value == "review"
    assert "the new level is taken as true, and its budget may move again" in said.message


def test_a_tracker_that_is_back_is_told_and_no_alarm_of_its_own() -> None:
    data = losing(80, 92)
    ends = []
    for ago in range(25, -1, -1):
        for found in watch(data, mornings_ago=ago).findings:
            assert found.check != "drift-tracking" or "+" not in found.message
            ends += [found] * (found.check == "drift-ended" and found.line == LINES[2])
    assert any("conversions per click is back where it was" in found.message for found in ends)
    assert {found.level.value for found in ends} == {"pass"}


def test_a_tracker_that_is_mended_after_weeks_is_noticed_as_soon_as_its_break_was() -> None:
    data = losing(45, 85)
    noticed = {}
    for alarm in watch(data).alarms:
        if alarm.line == LINES[2] and alarm.kind == "tracking":
            noticed[alarm.began] = (alarm.noticed - alarm.began).days
    assert [day for day in (CALENDAR[45], CALENDAR[85]) if day in noticed] == sorted(noticed)
    assert len(noticed) == 2
    assert max(noticed.values()) <= 6


def test_three_lines_of_a_channel_hold_the_channel() -> None:
    data = world()
    data["clicks"][-12:, :3] *= 0.6
    data["impressions"][-12:, :3] *= 0.6
    data["conversions"][-12:, :3] = np.round(data["conversions"][-12:, :3] * 0.6)
    done = watch(data).by_line()
    assert all(done[line].hold for line in LINES[:4])
    assert not any(done[line].hold for line in LINES[4:] if line in done)


def test_tracking_that_breaks_everywhere_falls_back() -> None:
    data = world()
    rng = np.random.default_rng(1)
    data["conversions"][-8:] = rng.poisson(data["clicks"][-8:] * 0.02)
    found = watch(data)
    assert [f.level.value for f in found.findings if f.line is None] == ["fail"]
    assert "all lines" in found.findings[0].message


@pytest.mark.parametrize("mean_days", [0.5, 3.0, 6.0])
def test_outcomes_whose_lateness_is_only_assumed_are_no_broken_tracker(mean_days: float) -> None:
    data, rng = world(), np.random.default_rng(1)
    age = np.arange(DAYS, 0, -1)[:, None]
    data["conversions"] = rng.binomial(
        data["conversions"].astype(int), 1 - np.exp(-age / mean_days)
    )
    assumed = learn_maturity(None, DAYS, [line[0] for line in LINES])
    assert not watch(data, late=assumed).alarms
    data["conversions"][-50:] //= 3
    assert any(alarm.kind == "tracking" for alarm in watch(data, late=assumed).alarms)


def test_a_better_week_of_all_lines_widens_but_does_not_fall_back() -> None:
    data = world()
    rng = np.random.default_rng(1)
    data["conversions"][-9:] = rng.poisson(data["clicks"][-9:] * 0.08)
    found = watch(data)
    assert {f.level.value for f in found.findings} == {"review"}
    assert all(item.widen == 2.0 and not item.hold for item in found.by_line().values())
    assert len(found.by_line()) == len(LINES)


def test_a_ratio_that_shows_only_rounding_is_no_alarm() -> None:
    data = world()
    exact = np.arange(DAYS)[:, None] * 1e-5 * np.ones(len(LINES))  # a steady creep of nothing
    data["clicks"] = data["spend"] * 2 * np.exp(exact)
    data["impressions"] = data["clicks"] * 50
    found = watch(data)
    assert not [alarm for alarm in found.alarms if alarm.kind in {"cpc", "cpm"}]


@pytest.mark.parametrize(("cut", "alarmed"), [(0.3, False), (0.95, True)])
def test_a_line_that_a_plan_cuts_below_its_threshold_is_no_broken_tag(cut, alarmed) -> None:
    """What it earns for a click falls with its money; a tag that breaks needs no cut."""
    data, rng = world(), np.random.default_rng(4)
    moved = np.maximum(0.75 ** np.arange(1, 13), cut)
    for name in ("spend", "budget", "clicks", "impressions"):
        data[name][-12:, 2] *= moved
    usual = data["clicks"][-12:, 2] * 0.05
    data["conversions"][-12:, 2] = rng.poisson(usual * np.where(alarmed, 0.3, moved**2.7))
    kinds = {alarm.kind for alarm in watch(data).alarms if alarm.line == LINES[2]}
    assert ("tracking" in kinds) is alarmed
    assert alarmed or not kinds


def test_money_that_a_plan_moves_is_no_alarm_whatever_the_line_saturates_like() -> None:
    for steepness in (0.15, 0.5, 0.9):
        data = world()
        rng = np.random.default_rng(5)
        moves = np.ones((DAYS, len(LINES)))
        for line in range(len(LINES)):
            path = np.cumsum(rng.choice([-0.2, 0.0, 0.2], DAYS // 3 + 1))
            moves[:, line] = np.exp(np.clip(np.repeat(path, 3)[:DAYS], -1, 1))
        for name in ("spend", "budget", "clicks", "impressions"):
            data[name] = data[name] * moves
        usual = data["clicks"] / moves * 0.05
        data["conversions"] = rng.poisson(usual * moves**steepness).astype(float)
        found = watch(data)
        assert not [alarm.kind for alarm in found.alarms if alarm.kind in {"tracking", "response"}]
