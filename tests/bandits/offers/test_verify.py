"""A plan of offers that breaks a rule is found out from the plan alone."""

from __future__ import annotations

from datetime import date

import pytest

from pipeline.bandits.offers.verify import offer_breaches
from pipeline.core.decision import DecisionLine, DecisionPlan
from pipeline.core.offer_rules import OfferRules
from pipeline.core.plan import Kind, Mode

RULES = OfferRules.model_validate(
    {
        "actions": (
            {"action": "none"},
            {"action": "mail", "channel": "email", "not_in": ("vip",), "expires": "2026-11-30"},
            {"action": "push", "channel": "push"},
        )
    }
)
GOOD = {"none": 0.05, "mail": 0.9, "push": 0.05}


def plan_of(
    shares: dict[str, float],
    *,
    segment: str = "new",
    allowed: str = "none|mail|push",
    day: date = date(2026, 11, 22),
) -> DecisionPlan:
    return DecisionPlan(
        plan_id="offers-2026-11-22-00000000",
        portfolio="acme",
        date=day,
        kind=Kind.OFFERS,
        currency="EUR",
        unit="share",
        digits=4,
        line_columns=("segment", "allowed", "action"),
        group_columns=2,
        mode=Mode.OPTIMISED,
        lines=tuple(
            DecisionLine(
                line={"segment": segment, "allowed": allowed, "action": action},
                current=0.0,
                proposed=share,
            )
            for action, share in shares.items()
        ),
        rules_version="sha256:0",
    )


def test_a_plan_that_keeps_the_rules_may_be_signed():
    assert offer_breaches(plan_of(GOOD), RULES) == ()


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (plan_of({**GOOD, "mail": 0.8}), "shares add up to 0.9"),
        (plan_of({"none": 0.01, "mail": 0.94, "push": 0.05}), "at least 0.02"),
        (plan_of({"none": 0.5, "mail": 0.5}), "push gets 0"),
        (plan_of(GOOD, segment="vip"), "must not be given in vip"),
        (plan_of(GOOD, day=date(2026, 12, 1)), "does not run on 2026-12-01"),
        (plan_of({"none": 0.5, "gift": 0.5}, allowed="none|gift"), "gift is not allowed there"),
        (plan_of({"mail": 0.5, "push": 0.5}, allowed="mail|push"), "doing nothing is not among"),
        (plan_of(GOOD, allowed="none|mail"), "push is not allowed there"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_named(plan: DecisionPlan, words: str):
    assert any(words in problem for problem in offer_breaches(plan, RULES))
