"""Lift tests as people type them: what cannot be is named and left out, the rest counts once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.core.history import ALL_LINES, History, LiftTest, Measured
from pipeline.response.plausible import Judged, far_from_days, judge
from pipeline.response.taught import Told, told_whole
from tests.response.advertiser import advertiser

HISTORY = advertiser(5).history
BEGIN, DAYS = 100, 14
MONEY = float(HISTORY.spend[BEGIN : BEGIN + DAYS, 0].sum())
REPORTED = float(HISTORY.outcomes["revenue"][BEGIN : BEGIN + DAYS, 0].sum())
ALL = float(HISTORY.outcomes["revenue"][BEGIN : BEGIN + DAYS].sum())
FINER = "is finer than any test measures: chance alone"


def given(**changes: Any) -> LiftTest:
    """A test of all the money of the first line, which caused 30 % of what it reported."""
    usual = LiftTest(
        lines=HISTORY.lines[:1], first_day=HISTORY.days[BEGIN],
        last_day=HISTORY.days[BEGIN + DAYS - 1], lift=0.3 * REPORTED,
        standard_error=0.03 * REPORTED, spend_change=MONEY, name="pause",
    )  # fmt: skip
    return replace(usual, **changes)


def judged(*tests: LiftTest) -> Judged:
    return judge(HISTORY, "revenue", tests, of_all=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lift": 1.1 * ALL, "standard_error": 0.01 * ALL}, "came in all"),
        ({"lift": -0.1 * REPORTED}, "in opposite directions by more than 3 errors"),
        ({"lift": -20 * REPORTED}, "in opposite directions by more than 3 errors"),
        ({"lift": -20 * REPORTED, "standard_error": 0.001}, "in opposite directions"),
        ({"spend_change": -0.5 * MONEY}, "in opposite directions by more than 3 errors"),
        ({"lift": -0.3 * REPORTED, "spend_change": 70 * MONEY}, "all its lines spent"),
        ({"spend_change": 70 * MONEY}, "all its lines spent"),
        ({"spend_change": -20 * MONEY, "lift": -0.3 * REPORTED}, "never spent more than"),
        *(
            ({"lift": lift, "standard_error": error}, FINER)
            for lift, error in [
                (0.2, 0.02),
                (2.4, 0.2),
                (-2.4, 0.2),
                (12, 3),
                (85, 6),
                (0, 0.001),
                (0.3e-3 * REPORTED, 0.03e-3 * REPORTED),  # thousands
            ]
        ),
        ({"metric": "conversions"}, "teaches nothing of revenue: it counts conversions"),
        ({"metric": "profit"}, "it counts profit, which outcomes do not hold"),
    ],
)
def test_what_cannot_be_teaches_nothing_and_is_named(changes: dict[str, Any], said: str) -> None:
    found = judged(given(**changes))
    assert found.tests == ()
    (finding,) = found.findings
    assert finding.level == "review"
    assert said in finding.message
    assert finding.message.startswith("lift test pause (2026-04-15 to 2026-04-28) teaches nothing")
    assert finding.advice


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lift": 0.0},
        {"lift": -0.05 * REPORTED, "standard_error": 0.03 * REPORTED},  # nothing, give or take
        {"lift": 1.1 * REPORTED, "standard_error": 0.1 * REPORTED},  # all of it, give or take
        {"lift": -0.2 * REPORTED, "spend_change": -0.5 * MONEY},
        {"lift": 0.1 * REPORTED, "spend_change": 0.5 * MONEY},
        {"lift": 3.0, "standard_error": 0.03 * REPORTED},  # nothing, and a brand's own name is so
        {"lift": -0.08 * REPORTED, "standard_error": 0.03 * REPORTED},
        {"lift": 3 * REPORTED, "standard_error": 0.3 * REPORTED},  # far more than is credited
    ],
)
def test_what_can_be_is_kept_as_it_is(changes: dict[str, Any]) -> None:
    test = given(**changes)
    assert judged(test) == Judged(tests=(test,))


def as_total(history: History, *, counted: bool = True) -> History:
    """The same market, of which nobody knows more than the sum."""
    names = ("conversions", "revenue") if counted else ("revenue",)
    total = Measured(
        levels=(),
        units=(ALL_LINES,),
        outcomes={name: history.outcomes[name].sum(axis=1, keepdims=True) for name in names},
        controls={},
        trusted=np.ones((len(history.days), 1), dtype=bool),
    )
    return replace(history, outcomes={}, measured=total)


def test_outcomes_that_nobody_attributed_bound_a_lift_as_well() -> None:
    """A total is all that any of its lines can have caused."""
    past = as_total(HISTORY)
    (finding,) = judge(past, "revenue", (given(lift=2 * ALL),), of_all=True).findings
    assert f"{ALL:,.0f} of revenue came in all" in finding.message
    assert judge(past, "revenue", (given(lift=0.9 * ALL),), of_all=True).findings == ()


@pytest.mark.parametrize(
    ("lift", "error"), [(0.12, 0.02), (12.0, 3.0), (85.0, 6.0), (1.8, 0.2), (0.0, 0.1)]
)
def test_a_percentage_or_a_ratio_is_asked_about_beside_a_total_too(
    lift: float, error: float
) -> None:
    test = given(lift=lift, standard_error=error)
    found = judge(as_total(HISTORY), "revenue", (test,), of_all=True)
    assert found.tests == ()
    (finding,) = found.findings
    assert FINER in finding.message
    assert "no percentage" in finding.advice
    cut = replace(test, lift=-lift, spend_change=-0.5 * MONEY)
    assert judge(as_total(HISTORY), "revenue", (cut,), of_all=True).tests == ()


@pytest.mark.parametrize("counted", [True, False])
def test_tests_of_worlds_that_are_true_are_used(counted: bool) -> None:
    """Drawn around what lines cause, nothing included, as finely as people held out allow."""
    left_out = n_tests = 0
    for seed in range(30):
        history = advertiser(seed, level=[6.0, 60.0, 6_000.0][seed % 3]).history
        rng = np.random.default_rng(seed)
        if not counted:
            history = replace(history, outcomes={"revenue": history.outcomes["revenue"]})
        for line in range(len(history.lines)):
            window = slice(100, 100 + DAYS)
            bought = float(history.outcomes["revenue"][window, line].sum())
            part, share = rng.choice([0.2, 1.0]), rng.choice([0.0, 0.01, 0.3, 0.9])
            error = float(np.sqrt(2 * 90.0 * part * max(bought, 90.0)))
            test = given(
                lines=(history.lines[line],),
                lift=float(rng.normal(part * share * bought, error)),
                standard_error=error,
                spend_change=part * float(history.spend[window, line].sum()),
            )
            for past in (history, as_total(history, counted=counted)):
                left_out += judge(past, "revenue", (test,), of_all=True) != Judged(tests=(test,))
                n_tests += 1
    assert left_out < 0.02 * n_tests


def test_an_error_that_no_test_can_have_counts_as_what_days_scatter() -> None:
    """A p-value, or a share, in the column of the error."""
    daily = HISTORY.outcomes["revenue"][:, 0]
    scatter = float(np.std(daily[7:] - daily[:-7])) * (DAYS / 2) ** 0.5
    for error in (1e-300, 0.001, 0.05, 5.0):
        found = judged(given(standard_error=error))
        (test,) = found.tests
        assert test.lift == given().lift
        assert 0.6 * scatter < test.standard_error < 1.2 * scatter
        (finding,) = found.findings
        assert finding.message.endswith(
            f"with an error of {error:g}, finer than any test measures: it is used with "
            f"{test.standard_error:,.0f}, what chance alone makes in as many days"
        )
    newer = given(last_day=given().last_day + timedelta(days=1))
    found = judged(given(standard_error=0.001), newer)
    (finding,) = found.findings  # what is left out is not said to be used
    assert "only the newest counts" in finding.message


def test_days_that_are_not_in_yet_do_not_make_a_test_impossible() -> None:
    late = replace(
        HISTORY,
        outcomes={name: table.copy() for name, table in HISTORY.outcomes.items()},
    )
    for table in late.outcomes.values():
        table[-5:] = 0
    test = given(
        first_day=late.days[-5],
        last_day=late.days[-1],
        lift=0.1 * REPORTED,
        spend_change=float(late.spend[-5:, 0].sum()),
    )
    assert judge(late, "revenue", (test,), of_all=True).findings == ()


def test_a_name_counts_once_for_a_line_and_parts_of_a_test_have_one_name() -> None:
    again = [
        given(first_day=given().first_day + day, last_day=given().last_day + day)
        for day in map(timedelta, range(9))
    ]
    found = judged(*again)
    assert found.tests == (again[-1],)
    assert "lift test pause is there 9 times" in found.findings[0].message
    month = timedelta(days=30)
    quarter = given(
        first_day=given().first_day - month, last_day=given().last_day - month, spend_change=100.0
    )
    assert judged(quarter, given()).tests == (quarter, given())  # of one study, both count
    other = given(lines=HISTORY.lines[1:2], lift=10.0, standard_error=20_000.0, spend_change=50.0)
    assert judged(given(), other) == Judged(tests=(given(), other))


def test_tests_that_overlap_count_as_one() -> None:
    two = given(name="again", last_day=given().last_day + timedelta(days=1))
    found = judged(given(), two)
    assert [test.standard_error for test in found.tests] == pytest.approx(
        [0.03 * REPORTED * 2**0.5] * 2
    )
    assert "not independent and count as one" in found.findings[0].message
    apart = given(
        name="later",
        first_day=given().last_day + timedelta(days=1),
        last_day=given().last_day + timedelta(days=14),
    )
    assert not judged(given(), replace(apart, spend_change=100.0)).findings


def test_tests_that_contradict_each_other_are_named_and_doubted() -> None:
    high, low = given(lift=0.6 * REPORTED), given(name="low", lift=0.1 * REPORTED)
    found = judged(high, low)
    assert "contradict each other by 12 standard errors" in found.findings[0].message
    low_end = found.tests[1].lift + 2 * found.tests[1].standard_error
    assert found.tests[0].lift - 2 * found.tests[0].standard_error < low_end
    whole = given(name="whole", lines=HISTORY.lines[:2], lift=0.1 * REPORTED)
    assert "contradict" in judged(high, whole).findings[0].message


@pytest.mark.parametrize("error", [1e-160, 1e-320])
def test_an_error_beyond_what_digits_tell_breaks_nothing(error: float) -> None:
    high = given(standard_error=error)
    low = given(name="low", lift=0.1 * REPORTED, standard_error=error)
    found = judged(high, low)
    assert "contradict" in found.findings[-1].message
    assert all(np.isfinite(test.standard_error) for test in found.tests)


def test_a_fine_study_of_little_money_beside_a_total_is_no_percentage() -> None:
    """What a test can measure goes by the share of money that it moved."""
    noise = np.random.default_rng(1).normal(1.0, 0.06, (len(HISTORY.days), 1))
    total = Measured(
        levels=(), units=(ALL_LINES,), outcomes={"revenue": 1e6 * noise},
        controls={}, trusted=np.ones((len(HISTORY.days), 1), dtype=bool),
    )  # fmt: skip
    past = replace(HISTORY, outcomes={}, measured=total)
    study = given(lift=950.0, standard_error=600.0, spend_change=0.001 * MONEY)
    assert judge(past, "revenue", (study,), of_all=True) == Judged(tests=(study,))
    assert judge(past, "revenue", (given(lift=95.0, standard_error=5.0),), of_all=True).tests == ()


def test_a_test_far_from_the_days_is_named_and_its_parts_are_one() -> None:
    near = Told(name="near", lift=100.0, variance=100.0, expected=130.0, doubt=400.0)
    half = Told(name="far", lift=500.0, variance=100.0, expected=1_000.0, doubt=40_000.0)
    (finding,) = far_from_days(told_whole([(near, half), (half,)]))
    assert finding.level == "review"
    assert finding.message == (
        "lift test far says 1,000 (+- 10) with its age, the days say 2,000 (+- 283): "
        "3.5 standard errors apart; it is used"
    )
    sure, vague = replace(half, variance=1.0), replace(half, variance=1e6)
    for rows in ((sure, vague), (vague, sure)):  # rows of one name have an error each
        assert len(far_from_days(told_whole([rows]))) == 1
