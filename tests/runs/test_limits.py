"""Tonight's limits: an approved cap beats the ramp, and the ramp beats a floor."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.errors import InfeasibleError
from pipeline.core.history import History
from pipeline.core.policy import parse_policy
from pipeline.runs.limits import attainable, cap_name, day_budget, month_words, night_limits

COLUMNS = ("channel", "audience")
LINES = (("search", "a"), ("search", "b"), ("social", "a"), ("tv", "x"))
CURRENT = np.array([100.0, 300.0, 400.0, 200.0])


def policy(**more):
    return parse_policy(
        {
            "portfolio": "acme",
            "currency": "EUR",
            "line": list(COLUMNS),
            "budget": {"daily": 1000},
            "sources": {"spend": {"path": "x"}, "outcomes": {"path": "x"}},
            **more,
        },
        "portfolio.yaml",
    )


def cap(**more) -> Cap:
    return Cap(id="c", status=CapStatus.APPROVED, proposed_by="ana", **more)


def limits_of(*caps, current=CURRENT, held=(), distrusted=None, wanted=math.inf, **more):
    doubt = np.zeros(len(LINES), dtype=bool) if distrusted is None else np.array(distrusted)
    return night_limits(policy(**more), LINES, current, caps, held, doubt, wanted=wanted)


def test_without_caps_every_line_moves_by_the_ramp_and_no_more():
    limits = limits_of()
    assert limits.lower.tolist() == [75, 225, 300, 150]
    assert limits.upper.tolist() == [125, 375, 500, 250]
    assert limits.reasons == []


def test_a_cap_of_one_line_lowers_its_ceiling_and_is_named():
    limits = limits_of(cap(scope={"channel": "social", "audience": "a"}, max=410))
    assert limits.upper[2] == 410
    assert limits.names[2, "max"] == "cap social / a max"


def test_a_cap_beats_the_ramp_and_the_plan_says_so():
    limits = limits_of(cap(scope={"channel": "social"}, max=50))
    assert limits.upper[2] == limits.lower[2] == 50
    assert any("cap" in reason for reason in limits.reasons)


def test_a_floor_is_reached_as_fast_as_the_ramp_allows():
    limits = limits_of(cap(scope={"channel": "tv"}, min=900))
    assert limits.lower[3] == limits.upper[3] == 250
    assert any("several nights" in reason for reason in limits.reasons)


def test_a_fixed_line_gets_its_contract_whatever_the_ramp():
    limits = limits_of(cap(scope={"channel": "tv"}, fixed=900))
    assert limits.lower[3] == limits.upper[3] == 900
    assert limits.held[3]


def test_a_fixed_scope_is_shared_to_the_cent():
    limits = limits_of(cap(scope={"channel": "search"}, fixed=100.01))
    assert limits.lower[:2].tolist() == limits.upper[:2].tolist()
    assert limits.lower[:2].sum() == pytest.approx(100.01, abs=1e-9)
    empty = limits_of(cap(scope={"channel": "search"}, fixed=10), current=CURRENT * [0, 0, 1, 1])
    assert empty.lower[:2].tolist() == [5, 5]


def test_a_held_scope_does_not_move():
    limits = limits_of(held=({"channel": "search"},))
    assert limits.lower[:2].tolist() == limits.upper[:2].tolist() == [100, 300]
    assert "waits for finance" in limits.why[0]
    assert limits_of(held=({},)).held.all()


def test_a_line_whose_newest_data_is_in_doubt_does_not_move():
    limits = limits_of(distrusted=[False, True, False, False])
    assert limits.lower[1] == limits.upper[1] == 300


def test_an_approved_cap_cuts_even_a_line_that_is_held():
    limits = limits_of(cap(scope={"channel": "search"}, max=200), held=({"audience": "b"},))
    assert limits.upper[:2].sum() <= 200 + 1e-9
    assert limits.reasons


def test_a_line_without_money_stays_without():
    limits = limits_of(current=np.array([0.0, 300.0, 400.0, 200.0]))
    assert limits.lower[0] == limits.upper[0] == 0


def test_a_cap_on_a_line_that_does_not_exist_limits_nothing():
    limits, free = limits_of(cap(scope={"channel": "radio"}, max=5)), limits_of()
    assert limits.reasons == free.reasons == []
    assert np.array_equal(limits.upper, free.upper)


def test_caps_are_named_as_people_say_them():
    assert cap_name(cap(max=1), "max", COLUMNS) == "cap total max"
    assert cap_name(cap(scope={"channel": "search"}, max=1), "max", COLUMNS) == "cap search max"
    both = {"audience": "a", "channel": "search"}
    assert cap_name(cap(scope=both, max=1), "max", COLUMNS) == "cap search / a max"
    assert "audience=a" in cap_name(cap(scope={"audience": "a"}, max=1), "max", COLUMNS)


def test_a_total_within_reach_is_what_is_split():
    assert day_budget(policy(), limits_of(), 1000.0) == (1000.0, [])


@pytest.mark.parametrize(("wanted", "got"), [(2000.0, 1250.0), (10.0, 750.0)])
def test_a_total_out_of_reach_is_approached_and_the_plan_says_by_how_much(wanted, got):
    total, reasons = day_budget(policy(), limits_of(), wanted)
    assert total == pytest.approx(got)
    assert len(reasons) == 1
    assert f"{abs(wanted - got):.2f}" in reasons[0]


def test_floors_above_the_budget_contradict_it():
    floors = (cap(scope={"channel": "search"}, min=700), cap(scope={"channel": "tv"}, fixed=400))
    with pytest.raises(InfeasibleError) as refusal:
        day_budget(policy(), limits_of(*floors), 1000.0)
    assert set(refusal.value.conflict) == {"budget", "cap search min", "cap tv fixed"}


def test_a_floor_inside_a_floor_counts_once():
    floors = (
        cap(scope={"channel": "search"}, min=700),
        cap(scope={"channel": "search", "audience": "a"}, min=600),
    )
    assert day_budget(policy(), limits_of(*floors), 1000.0)[0] == 1000


SEARCH, AUDIENCE_A = {"channel": "search"}, {"audience": "a"}
SEARCH_A = {"channel": "search", "audience": "a"}
SEARCH_B = {"channel": "search", "audience": "b"}


def test_a_floor_inside_a_deep_cut_is_kept_and_its_neighbour_gives_way():
    limits = limits_of(cap(scope=SEARCH, max=110), cap(scope=SEARCH_A, min=100))
    assert (limits.lower[0], limits.lower[1]) == (100, 10)
    assert any("the cap goes first" in reason for reason in limits.reasons)
    assert not any("several nights" in reason for reason in limits.reasons)


@pytest.mark.parametrize(
    ("caps", "clash"),
    [
        (
            [cap(scope=SEARCH, max=200), cap(scope=SEARCH_A, min=250), cap(scope={}, max=900)],
            {"cap search max", "cap search / a min"},
        ),
        (
            [
                cap(scope=SEARCH, max=400),
                cap(scope=SEARCH_A, min=240),
                cap(scope=SEARCH_B, min=240),
            ],
            {"cap search max", "cap search / a min", "cap search / b min"},
        ),
        (
            [cap(scope=SEARCH, fixed=400), cap(scope=SEARCH_A, fixed=500), cap(max=2000)],
            {"cap search fixed", "cap search / a fixed"},
        ),
    ],
)
def test_caps_that_contradict_each_other_are_refused_with_the_smallest_set(caps, clash):
    with pytest.raises(InfeasibleError) as refusal:
        limits_of(*caps)
    assert set(refusal.value.conflict) == clash


def test_floors_that_cross_count_a_line_for_both():
    floors = (cap(scope=SEARCH, min=700), cap(scope=AUDIENCE_A, min=700))
    total, reasons = day_budget(policy(), limits_of(*floors, wanted=1000.0), 1000.0)
    assert (total, reasons) == (1000, [])


def test_a_contract_inside_a_contract_leaves_the_rest_to_the_others():
    limits = limits_of(cap(scope=SEARCH_A, fixed=250), cap(scope=SEARCH, fixed=400))
    assert limits.lower[:2].tolist() == limits.upper[:2].tolist() == [250, 150]
    assert "search / a fixed" in limits.why[0]
    assert "search fixed" in limits.why[1]


def test_a_contract_keeps_the_caps_of_its_lines():
    limits = limits_of(cap(scope=SEARCH, fixed=500), cap(scope=SEARCH_B, max=150))
    assert limits.lower[:2].tolist() == [350, 150]


def test_a_contract_is_shared_for_a_floor_where_the_total_may_not_rise():
    caps = (cap(scope=SEARCH, fixed=8), cap(scope=AUDIENCE_A, min=15), cap(scope=SEARCH_B, max=4))
    limits = limits_of(*caps, current=np.array([0.0, 0.0, 8.0, 0.0]), wanted=5.6)
    assert limits.lower[:2].tolist() == [8, 0]
    assert "the ramp allows 14.00" in limits.reasons[0]


def test_a_floor_sees_ceilings_that_come_after_it():
    caps = [cap(scope=AUDIENCE_A, min=650), cap(scope=SEARCH, max=50)]
    for order in (caps, caps[::-1]):
        limits = limits_of(*order)
        assert any("several nights" in reason for reason in limits.reasons)
        low, high = attainable(limits)
        assert low <= high


def test_no_line_of_a_contract_gets_less_than_nothing_by_rounding():
    current = np.array([0.0, 100.0, 100.0, 400.0])
    limits = limits_of(cap(fixed=1000), current=current[::-1].copy())
    assert (limits.lower >= 0).all()
    assert limits.lower.sum() == pytest.approx(1000, abs=1e-9)
    assert limits.lower[3] == 0


def test_a_floor_of_a_line_without_money_says_that_the_ramp_cannot_start_it():
    current = CURRENT * [0, 1, 1, 1]
    limits = limits_of(cap(scope=SEARCH_A, min=50), current=current)
    (reason,) = limits.reasons
    assert reason.startswith("cap search / a min cannot be reached by the ramp")
    assert "fixed amount" in reason
    over_both = limits_of(cap(scope=SEARCH, min=500), current=current)
    assert "several nights: the ramp allows 375.00" in over_both.reasons[0]


MONTHLY = {"budget": {"monthly": 30000}}


def test_a_month_that_is_spent_leaves_contracts_and_floors_and_says_so():
    caps = (cap(scope={"channel": "tv"}, fixed=200), cap(scope=SEARCH, min=390))
    limits = limits_of(*caps, **MONTHLY)
    total, reasons = day_budget(policy(**MONTHLY), limits, 0.0, "2026-11 has 30000.00")
    assert total == 390 + 300 + 200
    (reason,) = reasons
    assert "890.00 above the budget 0.00 (2026-11 has 30000.00)" in reason
    assert "floors and contracts ask for 590.00" in reason


def test_the_month_is_told_with_what_is_spent_and_left():
    history = History(
        days=tuple(date(2026, 10, 31) + timedelta(days=i) for i in range(3)),
        lines=LINES,
        spend=np.full((3, 4), 100.0),
        outcomes={},
        trusted=np.ones((3, 4), dtype=bool),
    )
    words = month_words(policy(**MONTHLY), history, date(2026, 11, 3))
    assert words == "2026-11 has 30000.00, 800.00 spent, 29200.00 left"
    short = policy(budget={"monthly": 500})
    assert month_words(short, history, date(2026, 11, 3)).endswith("800.00 spent, nothing left")
    assert month_words(policy(), history, date(2026, 11, 3)) == ""


SCOPES = st.sampled_from(
    [{}, {"channel": "search"}, {"channel": "social"}, {"audience": "a"},
     {"channel": "search", "audience": "b"}, {"channel": "tv"}]
)  # fmt: skip
MONEY = st.integers(0, 200_000).map(lambda cents: cents / 100)


@st.composite
def nights(draw):
    scopes = draw(st.lists(SCOPES, max_size=4, unique_by=lambda scope: tuple(scope.items())))
    caps = [cap(scope=scope, max=draw(MONEY)) for scope in scopes]
    held = draw(st.lists(SCOPES, max_size=1))
    return caps, held, np.array(draw(st.lists(MONEY, min_size=4, max_size=4)))


@settings(max_examples=150, deadline=None)
@given(nights())
def test_no_split_inside_the_limits_breaks_a_cap_or_the_ramp(night):
    caps, held, current = night
    limits = limits_of(*caps, current=current, held=held)
    assert (limits.lower <= limits.upper + 1e-9).all()
    assert (limits.upper <= 1.25 * current + 1e-6).all()
    forced = {index for index in range(4) if limits.lower[index] < 0.75 * current[index] - 1e-6}
    if forced:
        assert limits.reasons
    low, high = attainable(limits)
    assert low <= high + 1e-6
    for item in caps:
        members = [i for i, line in enumerate(LINES) if item.covers(line, COLUMNS)]
        assert limits.lower[members].sum() <= item.max + 1e-6, "the cap cannot be kept"
        alone = len(members) == 1 and limits.upper[members[0]] <= item.max + 1e-6
        grouped = any(
            group.members.tolist() == members and group.max <= item.max + 1e-9
            for group in limits.groups
        )
        assert alone or grouped
