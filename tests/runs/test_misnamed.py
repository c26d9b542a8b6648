"""A name that no line bears is said, with its place and the name that was perhaps meant."""

from __future__ import annotations

import pytest

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.findings import Level
from pipeline.core.plan import Mode
from pipeline.core.policy import parse_policy
from pipeline.core.trial import Trial
from pipeline.runs.checking import check_portfolio
from pipeline.runs.misnamed import left_behind, misnamed
from tests.runs.shop import DAY, Shop

LINES = (("search", "brand"), ("social", "brand"), ("tv", "all"))


def policy_of(credit=None, **settings):
    outcomes = {"path": "outcomes.csv"} | ({"credit": credit} if credit else {})
    return parse_policy(
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


def found(**settings):
    said = misnamed(policy_of(**settings), LINES)
    return [(item.message, item.advice) for item in said]


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


def cap(**scope):
    return Cap(id="cap-1", scope=scope, max=100.0, status=CapStatus.APPROVED, proposed_by="ana")


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ({"channel": "serch"}, "did you mean 'search'?"),
        ({"channel": "tv", "audience": "brand"}, "each name is known, together they name no line"),
        ({"region": "north"}, "lines are named by channel, audience"),
        ({"channel": "search"}, ""),
        ({}, ""),
    ],
)
def test_a_cap_that_reaches_no_line_is_said(scope, told):
    policy = policy_of()
    said = misnamed(policy, LINES, caps=[cap(**scope)])
    assert [item.advice for item in said] == [told] * bool(told)
    assert all("it limits nothing until there is one" in item.message for item in said)


@pytest.mark.parametrize("is_approved", [True, False])
def test_check_and_the_night_tell_of_a_cap_that_reaches_no_line_and_go_on(shop: Shop, is_approved):
    shop.settings["caps"] = [
        {"scope": {"channel": "serch"}, "max": 100},
        {"scope": {"channel": "search"}, "max": 1e6},
    ]
    if is_approved:
        shop.sign_caps()
    shop.write()
    told = [item for item in check_portfolio(shop.portfolio, DAY) if item.check == "misnamed"]
    plan = shop.night()
    assert [item for item in plan.findings if item.check == "misnamed"] == told
    (finding,) = told
    assert "no line is channel=serch" in finding.message
    assert finding.advice == "did you mean 'search'?"
    assert finding.level is Level.REVIEW
    assert plan.mode is Mode.OPTIMISED


def test_a_night_tells_the_signer(shop: Shop):
    shop.settings["safe_ground"] = [{"scope": {"channel": "socal"}, "because": "contract"}]
    plan = shop.night()
    said = [item for item in plan.findings if item.check == "misnamed"]
    assert [item.advice for item in said] == ["did you mean 'social'?"]


def test_rules_about_a_former_name_alone_are_named_until_they_are_about_the_new_one(shop):
    """A plan that takes the line by its new name cannot be signed while such a test runs."""
    scope = {"channel": "search", "audience": "generic"}
    shop.settings["guardrails"] = [{"metric": "roas", "min": 0.1, "scope": scope}]
    shop.settings["safe_ground"] = [{"scope": scope, "because": "contract"}]
    shop.cap(scope={"channel": "search"}, max=900)
    shop.cap(scope=scope, max=400)
    shop.night()
    shop.approve()
    shop.later()
    for rows in (shop.spend, shop.outcomes):
        for row in rows:
            if row["date"] == "2026-11-22" and row["audience"] == "generic":
                row["audience"] = "generics"
    said = [item for item in shop.night(shop.today).findings if item.check == "misnamed"]
    assert [item.message.split(":")[0].split("-")[0] for item in said] == [
        "safe_ground[0]",
        "guardrails[0]",
        "cap",
    ]
    assert all(
        "it names search / generic, which goes on as search / generics" in item.message
        for item in said
    )
    for rule in ("guardrails", "safe_ground"):
        shop.settings[rule][0]["scope"] = scope | {"audience": "generics"}
    shop.cap(scope=scope | {"audience": "generics"}, max=400)
    shop.cap(scope=scope, max=0)
    plan = shop.night(shop.today)
    assert not [item for item in plan.findings if item.check == "misnamed"]
    shop.approve()


def test_a_holdout_of_a_former_name_is_named():
    trial = Trial(name="ruler", kind="holdout", first_day=DAY, unit_column="line",
                  units=("social / brand",))  # fmt: skip
    names = {("social", "brand"): ("social", "brands")}
    lines = (*LINES, ("social", "brands"))
    (said,) = left_behind(policy_of(), names, lines, [trial], [])
    assert said.message == (
        "test ruler: it names social / brand, which goes on as social / brands, and not that one, "
        "so it neither limits nor keeps it"
    )
    assert left_behind(policy_of(), {}, lines, [trial], []) == []
