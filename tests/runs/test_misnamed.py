"""A name that no line bears is said, with its place and the name that was perhaps meant."""

from __future__ import annotations

import pytest

from pipeline.core.policy import parse_policy
from pipeline.runs.misnamed import misnamed
from tests.runs.shop import Shop

LINES = (("search", "brand"), ("social", "brand"), ("tv", "all"))


def found(**settings):
    credit = settings.pop("credit", None)
    outcomes = {"path": "outcomes.csv"} | ({"credit": credit} if credit else {})
    policy = parse_policy(
        {
            "portfolio": "acme",
            "currency": "EUR",
            "line": ["channel", "audience"],
            "budget": {"daily": 100},
            "sources": {"spend": {"path": "spend.csv"}, "outcomes": outcomes},
            **settings,
        },
        "portfolio.yaml",
    )
    return [(item.message, item.advice) for item in misnamed(policy, LINES)]


def ground(**scope):
    return [{"scope": scope, "because": "contract"}]


@pytest.mark.parametrize(
    ("settings", "message", "advice"),
    [
        (
            {"credit": {"serach": "platform"}},
            "sources.outcomes.credit: no line has the channel 'serach'; platform is credited",
            "did you mean 'search'?",
        ),
        (
            {"credit": {"TV": "crm"}},
            "no line has the channel 'TV'",
            "did you mean 'tv'?",
        ),
        (
            {"safe_ground": ground(channel="tv", audience="al")},
            "safe_ground[0]: no line is channel=tv, audience=al; nothing is kept by it",
            "did you mean 'all'?",
        ),
        (
            {"safe_ground": ground(channel="tv", audience="brand")},
            "safe_ground[0]: no line is channel=tv, audience=brand",
            "each name is known, together they name no line",
        ),
        (
            {"guardrails": [{"metric": "roas", "min": 1, "scope": {"channel": "podcast"}}]},
            "guardrails[0]: no line is channel=podcast; nothing is guarded by it",
            "known are search, social, tv",
        ),
    ],
)
def test_each_place_and_the_closest_name_are_said(settings, message, advice):
    assert [(message in said, advice == told) for said, told in found(**settings)] == [(True, True)]


def test_names_that_are_known_are_no_finding():
    assert found(credit={"search": "platform", "tv": "modelled"}) == []
    assert found(credit="platform", safe_ground=ground(channel="social")) == []


def test_a_night_tells_the_signer(shop: Shop):
    shop.settings["safe_ground"] = [{"scope": {"channel": "socal"}, "because": "contract"}]
    plan = shop.night()
    said = [item for item in plan.findings if item.check == "misnamed"]
    assert [item.advice for item in said] == ["did you mean 'social'?"]
