"""The closed loop of offers in markets whose truth is known."""

from __future__ import annotations

import numpy as np

from pipeline.simulation.offers import KINDS, make_offer_world, score_offers


def test_what_is_proposed_earns_and_is_hardly_ever_for_the_worse() -> None:
    (ours,) = score_offers("one answer for all", range(3), ["ours"])
    assert ours.captured > 0.6
    assert ours.worse <= 0.2
    assert ours.lost == 0


def test_where_nothing_matters_nobody_can_capture_anything() -> None:
    (even,) = score_offers("nothing matters", range(2), ["even split"])
    assert (even.captured, even.personal) == (0, False)


def test_a_week_is_logged_with_the_chances_it_was_drawn_by() -> None:
    world = make_offer_world(KINDS["segments differ"], np.random.default_rng(1))
    eligible = world.contexts.eligible
    shares = eligible / eligible.sum(axis=1, keepdims=True)
    log = world.week(shares, np.random.default_rng(2))
    assert log.total == KINDS["segments differ"].decisions
    np.testing.assert_array_equal(log.propensity, shares[log.context, log.action])
    # Weighted by its chances, the log tells what the policy is worth.
    seen = float(log.reward.sum()) / log.total
    assert abs(seen - world.value(shares)) < 0.1 * world.value(shares)
