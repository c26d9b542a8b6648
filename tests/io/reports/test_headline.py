from __future__ import annotations

from pipeline.core.findings import SPECIAL_DAY, Finding, Level
from pipeline.core.plan import Mode, ModelHealth, Uplift
from pipeline.io.reports.headline import headline, total_words
from pipeline.io.reports.lines import line_views
from tests.io.reports.samples import sample_plan


def first_lines(**changes: object) -> tuple[str, str, str]:
    plan = sample_plan(**changes)
    head = headline(plan, line_views(plan))
    return head.badge, head.ask, head.promise


def still() -> dict[str, object]:
    lines = tuple(
        line.model_copy(update={"proposed": line.current, "exploration": 0.0})
        for line in sample_plan().lines
    )
    return {"lines": lines}


def test_a_new_plan_says_amount_gain_interval_and_chance():
    badge, ask, promise = first_lines(
        uplift=Uplift(mean=622.2, p05=104.8, p95=1190.4, probability_positive=0.972)
    )
    assert badge == "New plan"
    assert ask == "Move 530.00 EUR between 8 lines on Sunday 22 November 2026"
    assert promise == (
        "Expected to bring 622 more revenue a day than leaving the budgets alone "
        "(90% interval +105 to +1,190). The chance that it is better is 97 in 100."
    )


def test_a_plan_expected_to_lose_says_less():
    _, _, promise = first_lines(
        uplift=Uplift(mean=-50.0, p05=-90.0, p95=10.0, probability_positive=0.2)
    )
    assert promise.startswith("Expected to bring 50.0 less revenue a day")


def test_another_total_is_told_apart_from_the_split():
    uplift = Uplift(mean=-634.0, p05=-900.0, p95=-300.0, probability_positive=0.02)
    split = Uplift(mean=234.0, p05=-50.0, p95=500.0, probability_positive=0.86)
    lines = list(sample_plan().lines)
    lines[0] = lines[0].model_copy(update={"current": lines[0].current + 1000.0})
    plan = sample_plan(uplift=uplift, split=split, lines=tuple(lines))
    assert headline(plan, line_views(plan)).reasons[0] == (
        "Less money in today's proportions would bring 868 less; this split brings 234 more than "
        "that, and the chance that it is better than those proportions is 86 in 100"
    )
    same = Uplift(mean=0.0, p05=0.0, p95=0.0, probability_positive=0.5)
    plan = sample_plan(uplift=uplift, split=same, lines=tuple(lines))
    assert headline(plan, line_views(plan)).reasons[0] == (
        "Less money in today's proportions would bring 634 less, and the plan keeps those "
        "proportions"
    )


def test_a_budget_that_grows_is_said():
    lines = list(sample_plan().lines)
    lines[0] = lines[0].model_copy(update={"proposed": lines[0].current + 100.0})
    _, ask, _ = first_lines(lines=tuple(lines))
    assert ask.startswith("Move 250.00 EUR between 8 lines and spend 380.00 EUR more in all")


def test_a_total_that_only_rounding_moves_is_no_headline():
    lines = list(sample_plan().lines)
    net = sum(line.proposed - line.current for line in lines)
    for cents, said in ((-6, False), (-7, True)):  # of twelve lines, half a cent each
        current = lines[0].current + net - cents / 100
        plan_lines = (lines[0].model_copy(update={"current": current}), *lines[1:])
        _, ask, _ = first_lines(lines=plan_lines)
        assert ("less in all" in ask) is said
    one = lines[0].model_copy(update={"current": 10.0, "proposed": 10.01})
    still_lines = still()["lines"]
    _, ask, _ = first_lines(lines=(one, *still_lines[1:]))
    assert ask.startswith("Spend 0.01 EUR more in all")


def test_a_fallback_says_so_with_its_age_in_the_first_line():
    badge, ask, promise = first_lines(
        mode=Mode.FALLBACK, fallback_days=2, uplift=None, expected=None, **still()
    )
    assert badge == "Fallback, 2 days old"
    assert ask == (
        "No new plan for Sunday 22 November 2026: repeat the budgets approved 2 days ago"
    )
    assert "no model stands behind" in promise


def test_a_hold_without_a_model_says_for_how_long():
    badge, ask, _ = first_lines(
        mode=Mode.HOLD, fallback_days=1, uplift=None, expected=None, **still()
    )
    assert badge == "Hold, 1 day old"
    assert ask == (
        "No new plan for Sunday 22 November 2026: leave every budget as it is, "
        "1 day without a new plan"
    )


def test_a_hold_that_the_model_chose_is_no_failure():
    same = Uplift(mean=0.0, p05=0.0, p95=0.0, probability_positive=0.5)
    badge, ask, promise = first_lines(mode=Mode.HOLD, uplift=same, **still())
    assert promise == "The same revenue as today is expected."
    assert badge == "No change"
    assert "No new plan" not in ask
    assert ask.endswith("no change is sure enough to pay")


def test_a_gain_that_is_not_a_number_is_not_known():
    nan = float("nan")
    _, _, promise = first_lines(uplift=Uplift(mean=nan, p05=nan, p95=nan, probability_positive=nan))
    assert promise == "What it should bring is not known."


def test_lines_that_do_not_add_up_are_said_to_the_cent():
    assert total_words(sample_plan()).endswith("the budget of 10,000.00 EUR exactly.")
    short = total_words(sample_plan(budget=10000.01))
    assert "0.01 EUR below the budget of 10,000.01 EUR" in short


def test_a_day_with_a_name_is_said_before_the_checks_are_opened():
    said = "2026-11-27 is black friday: demand is expected +80% against an ordinary day"
    check = Finding(level=Level.PASS, check=SPECIAL_DAY, message=said)
    plan = sample_plan(model_health=ModelHealth(level="pass", checks=(check,)))
    assert headline(plan, line_views(plan)).reasons[-1] == said
