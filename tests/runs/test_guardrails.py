"""Guardrails: what is kept, what moves money, and what no split could keep."""

from __future__ import annotations

import pytest

from pipeline.core.errors import InfeasibleError
from pipeline.core.plan import Mode
from pipeline.core.policy import Guardrail
from pipeline.runs.checking import replay_plan
from pipeline.runs.guardrails import rail_name, ratio_of
from tests.runs.shop import amounts


def row(plan, metric):
    return next(item for item in plan.guardrails if item.metric == metric)


@pytest.mark.parametrize(
    ("metric", "parts"),
    [
        ("roas", ("revenue", "spend")),
        ("cost_per_conversion", ("spend", "conversions")),
        ("cac", ("spend", "conversions")),
        ("cost_per_lead", ("spend", "lead")),
        ("margin", ("margin", None)),
        ("spend", ("spend", None)),
    ],
)
def test_a_guardrail_is_made_of_columns(metric, parts):
    assert ratio_of(metric) == parts


def test_a_guardrail_is_named_with_its_limit_and_scope():
    rail = Guardrail.model_validate({"metric": "roas", "min": 1.5, "scope": {"channel": "social"}})
    assert rail_name(rail) == "roas min 1.5 (channel=social)"


def test_a_guardrail_that_holds_is_a_pass_and_changes_nothing(shop):
    free = shop.night()
    shop.settings["guardrails"] = [{"metric": "roas", "min": 0.01}]
    shop.settings["exploration"] = {"max_share": 0.0}
    guarded = shop.night()
    assert row(guarded, "roas").status == "pass"
    assert row(guarded, "roas").expected > 0.01
    assert row(guarded, "roas").shadow_price == 0
    assert free.mode is Mode.OPTIMISED


def test_a_guardrail_switches_learning_off_and_the_page_says_so(shop):
    shop.settings["guardrails"] = [{"metric": "roas", "min": 0.01}]
    shop.settings["exploration"] = {"max_share": 0.05}
    plan = shop.night()
    assert plan.exploration is not None
    assert plan.exploration.moves == ()
    assert plan.exploration.off.startswith("guardrails are set")
    page = shop.run(plan).read_bytes("report.html").decode()
    assert "No money is moved to learn: guardrails are set" in page
    assert replay_plan(shop.portfolio, plan.plan_id).differences == ()


def test_a_guardrail_that_binds_moves_money_and_has_a_price(shop):
    shop.settings["exploration"] = {"max_share": 0.0}
    scope = {"channel": "search"}
    rail = {"metric": "roas", "min": 0.01, "scope": scope}
    shop.settings["guardrails"] = [rail]
    reached = row(shop.night(), "roas")
    limit = round(reached.expected + 0.5 * abs(reached.expected - reached.current) + 0.02, 4)
    shop.settings["guardrails"] = [{**rail, "min": limit}]
    plan = shop.night()
    kept = row(plan, "roas")
    assert (kept.limit, kept.kind, kept.scope) == (limit, "min", scope)
    if kept.status == "pass":
        assert kept.expected >= limit - 1e-4 * limit
    else:
        assert any("cannot be met tonight" in reason for reason in plan.reasons)
    assert kept.expected > reached.expected
    for current, after in amounts(plan).values():
        assert abs(after - current) <= 0.25 * current + 1e-9


def test_a_ceiling_on_a_scopes_spend_is_kept(shop):
    shop.settings["guardrails"] = [{"metric": "spend", "max": 400, "scope": {"channel": "social"}}]
    plan = shop.night()
    total = sum(after for line, (_, after) in amounts(plan).items() if line[0] == "social")
    assert total <= 400.01
    assert row(plan, "spend").status == "pass"


def test_a_guardrail_beyond_tonights_ramp_is_approached_and_owned_up_to(shop):
    shop.settings["guardrails"] = [{"metric": "spend", "max": 100, "scope": {"channel": "social"}}]
    plan = shop.night()
    assert row(plan, "spend").status == "fail"
    assert any("cannot be met tonight" in reason for reason in plan.reasons)
    for line, (current, after) in amounts(plan).items():
        if line[0] != "social":  # every other line takes all that it may
            assert after == pytest.approx(1.25 * current, rel=0.002)


def test_a_guardrail_that_no_split_can_keep_is_refused_and_nothing_is_written(shop):
    shop.settings["guardrails"] = [{"metric": "roas", "min": 500}]
    shop.write()
    shop.portfolio.ledger  # noqa: B018  opened, so that what is compared is the night's own work
    before = shop.files()
    with pytest.raises(InfeasibleError, match="roas") as refusal:
        shop.night()
    assert refusal.value.exit_code == 2
    assert {name for name in shop.files() if name.startswith("runs/")} == {
        name for name in before if name.startswith("runs/")
    }
    assert shop.statuses() == {}


def test_the_cost_of_a_conversion_is_measured_on_conversions(shop):
    shop.settings["guardrails"] = [
        {"metric": "cost_per_conversion", "max": 50},
        {"metric": "conversions", "min": 1},
    ]
    plan = shop.night()
    cost, count = row(plan, "cost_per_conversion"), row(plan, "conversions")
    assert cost.status == count.status == "pass"
    assert cost.expected == pytest.approx(plan.budget / count.expected, rel=0.02)
