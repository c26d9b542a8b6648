"""Tonight's limits: an approved cap beats the ramp, and the ramp beats a floor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.errors import InfeasibleError
from pipeline.core.policy import parse_policy
from pipeline.runs.limits import attainable, cap_name, day_budget, night_limits

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


def limits_of(*caps, current=CURRENT, held=(), distrusted=None, **more):
    doubt = np.zeros(len(LINES), dtype=bool) if distrusted is None else np.array(distrusted)
    return night_limits(policy(**more), LINES, current, caps, held, doubt)


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


def test_a_cap_on_a_line_that_does_not_exist_is_said():
    limits = limits_of(cap(scope={"channel": "radio"}, max=5))
    assert "no line that is known" in limits.reasons[0]


def test_caps_are_named_as_people_say_them():
    assert cap_name(cap(max=1), "max", COLUMNS) == "cap total max"
    assert cap_name(cap(scope={"channel": "search"}, max=1), "max", COLUMNS) == "cap search max"
    both = {"audience": "a", "channel": "search"}
    assert cap_name(cap(scope=both, max=1), "max", COLUMNS) == "cap search / a max"
    assert "audience=a" in cap_name(cap(scope={"audience": "a"}, max=1), "max", COLUMNS)


def test_a_total_within_reach_is_what_is_split():
    assert day_budget(policy(), limits_of(), (), 1000.0) == (1000.0, [])


@pytest.mark.parametrize(("wanted", "got"), [(2000.0, 1250.0), (10.0, 750.0)])
def test_a_total_out_of_reach_is_approached_and_the_plan_says_by_how_much(wanted, got):
    total, reasons = day_budget(policy(), limits_of(), (), wanted)
    assert total == pytest.approx(got)
    assert len(reasons) == 1
    assert f"{abs(wanted - got):.2f}" in reasons[0]


def test_floors_above_the_budget_contradict_it():
    floors = (cap(scope={"channel": "search"}, min=700), cap(scope={"channel": "tv"}, fixed=400))
    with pytest.raises(InfeasibleError) as refusal:
        day_budget(policy(), limits_of(*floors), floors, 1000.0)
    assert set(refusal.value.conflict) == {"budget", "cap search min", "cap tv fixed"}


def test_a_floor_inside_a_floor_counts_once():
    floors = (
        cap(scope={"channel": "search"}, min=700),
        cap(scope={"channel": "search", "audience": "a"}, min=600),
    )
    assert day_budget(policy(), limits_of(*floors), floors, 1000.0)[0] == 1000


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
