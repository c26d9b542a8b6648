"""Lift tests as people type them: what cannot be is named and left out, the rest counts once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.core.history import ALL_LINES, LiftTest, Measured
from pipeline.response.plausible import Judged, far_from_days, judge
from pipeline.response.taught import Told, told_whole
from tests.response.advertiser import advertiser

HISTORY = advertiser(5).history
BEGIN, DAYS = 100, 14
MONEY = float(HISTORY.spend[BEGIN : BEGIN + DAYS, 0].sum())
REPORTED = float(HISTORY.outcomes["revenue"][BEGIN : BEGIN + DAYS, 0].sum())


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
        ({"lift": 2 * REPORTED}, "its lines reported"),
        ({"lift": -2.4, "standard_error": 0.2}, "is a percentage"),  # and so is its error
        ({"lift": -0.3 * REPORTED, "spend_change": 70 * MONEY}, "all its lines spent"),
        ({"spend_change": 70 * MONEY}, "all its lines spent"),
        ({"spend_change": -20 * MONEY, "lift": -0.3 * REPORTED}, "never spent more than"),
        ({"lift": 0.2, "standard_error": 0.02}, "is a percentage"),
        ({"lift": 2.4, "standard_error": 0.2}, "is a percentage"),
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
        {"lift": 3.0, "standard_error": 0.03 * REPORTED},
    ],
)
def test_what_can_be_is_kept_as_it_is(changes: dict[str, Any]) -> None:
    test = given(**changes)
    assert judged(test) == Judged(tests=(test,))


@pytest.mark.parametrize(
    "changes",
    [
        {"lift": -0.1 * REPORTED},
        {"lift": -0.3 * REPORTED},
        {"lift": -20 * REPORTED},  # however far beyond: more of it is not less evidence
        {"spend_change": -0.5 * MONEY},
    ],
)
def test_money_that_did_the_opposite_is_taken_to_have_done_nothing(changes: dict[str, Any]) -> None:
    """Left out, more evidence against a line would send money into it."""
    test = given(**changes)
    found = judged(test)
    assert found.tests == (replace(test, lift=0.0),)
    (finding,) = found.findings
    assert finding.level == "review"
    assert finding.message.startswith(
        "lift test pause (2026-04-15 to 2026-04-28) is taken as no effect, 0 (+- "
    )
    assert "in opposite directions by more than 3 errors" in finding.message
    assert finding.advice


def test_a_test_that_is_taken_as_no_effect_meets_the_others_as_that() -> None:
    against, other = given(lift=-5 * REPORTED), given(name="other", lift=0.09 * REPORTED)
    found = judged(against, other)
    assert [test.lift for test in found.tests] == [0.0, 0.09 * REPORTED]
    assert [test.standard_error for test in found.tests] == pytest.approx(
        [0.03 * REPORTED * 2**0.5] * 2
    )
    assert "count as one" in found.findings[1].message
    newer = given(last_day=given().last_day + timedelta(days=1))
    found = judged(against, newer)
    assert found.tests == (newer,)
    (finding,) = found.findings  # what is left out is not said to be taken as anything
    assert "only the newest counts" in finding.message


def test_outcomes_that_nobody_attributed_bound_a_lift_as_well() -> None:
    """A total is all that any of its lines can have caused."""
    total = HISTORY.outcomes["revenue"].sum(axis=1, keepdims=True)
    measured = Measured(
        levels=(),
        units=(ALL_LINES,),
        outcomes={"revenue": total},
        controls={},
        trusted=np.ones(total.shape, dtype=bool),
    )
    past = replace(HISTORY, outcomes={}, measured=measured)
    seen = float(total[BEGIN : BEGIN + DAYS].sum())
    (finding,) = judge(past, "revenue", (given(lift=2 * seen),), of_all=True).findings
    assert f"its lines reported {seen:,.0f} in all" in finding.message
    assert judge(past, "revenue", (given(lift=0.9 * seen),), of_all=True).findings == ()


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
    assert "contradict" in found.findings[0].message
    assert all(np.isfinite(test.standard_error) for test in found.tests)


def test_a_fine_study_beside_a_total_is_no_percentage() -> None:
    total = Measured(
        levels=(), units=(ALL_LINES,),
        outcomes={"revenue": np.full((len(HISTORY.days), 1), 1e6)},
        controls={}, trusted=np.ones((len(HISTORY.days), 1), dtype=bool),
    )  # fmt: skip
    study = given(lift=95.0, standard_error=30.0)
    found = judge(replace(HISTORY, outcomes={}, measured=total), "revenue", (study,), of_all=True)
    assert found == Judged(tests=(study,))


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
