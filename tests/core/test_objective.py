"""The hierarchy of metrics in the settings: what adds up, and what is refused by name."""

from __future__ import annotations

import pytest

from pipeline.core.errors import ConfigError
from pipeline.core.policy import Policy, parse_policy

BASE = {
    "portfolio": "acme",
    "currency": "EUR",
    "line": ["channel"],
    "budget": {"daily": 100},
    "sources": {"spend": {"path": "s.csv"}, "outcomes": {"path": "o.csv"}},
}


def policy(objective: dict, **more: object) -> Policy:
    return parse_policy({**BASE, "objective": objective, **more}, "portfolio.yaml")


def test_valued_parts_make_a_metric_with_a_name():
    known = policy({"values": {"trial": 30, "lead": 12}, "leads": ["clicks", "demo"]}).objective
    assert known.maximize == "value"
    assert known.columns == {"trial", "lead", "demo"}
    named = policy({"maximize": "margin", "values": {"revenue": 0.4}}).objective
    assert (named.maximize, named.columns) == ("margin", {"revenue"})


def test_lateness_is_that_of_the_metric_itself_unless_revenue_is_counted():
    assert policy({}).objective.counted({"revenue", "conversions"}) == "conversions"
    assert policy({"maximize": "pipeline"}).objective.counted({"conversions"}) == "pipeline"


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ({"maximize": "lead", "values": {"lead": 2}}, "both the sum and a part"),
        ({"values": {"lead": 0}}, "nothing is worth anything"),
        ({"values": {"lead": -1}}, "must not be negative"),
        ({"leads": ["revenue"]}, "revenue cannot predict itself"),
        ({"totals": {"all": ["one"]}}, "two or more different parts"),
        (
            {"values": {"all": 1, "trial": 2}, "totals": {"all": ["trial", "lead"]}},
            "the part would count twice",
        ),
    ],
)
def test_a_hierarchy_that_contradicts_itself_is_refused(objective: dict, said: str):
    with pytest.raises(ConfigError, match=said):
        policy(objective)


def test_leads_need_outcomes_that_lines_are_known_by():
    sources = {"spend": {"path": "s"}, "outcomes": {"path": "o", "by": []}}
    with pytest.raises(ConfigError, match=r"objective\.leads: need outcomes"):
        policy({"leads": ["clicks"]}, sources=sources)


def test_credit_belongs_to_outcomes_and_has_known_words():
    spend = {"spend": {"path": "s", "credit": "crm"}, "outcomes": {"path": "o"}}
    with pytest.raises(ConfigError, match="credit belongs to outcomes"):
        policy({}, sources=spend)
    with pytest.raises(ConfigError, match=r"sources\.outcomes\.credit"):
        policy({}, sources={"spend": {"path": "s"}, "outcomes": {"path": "o", "credit": "gut"}})
