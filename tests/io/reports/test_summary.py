from __future__ import annotations

import csv
import io

from pipeline.core.learning import ExplorationMove, PlanExploration
from pipeline.io.reports import ReportExtras, plan_csv, render_markdown, render_report
from pipeline.io.reports.summary import MOST_ROWS
from tests.io.reports.samples import SIGN, large_plan, sample_plan


def test_a_message_asks_says_why_and_how_to_sign():
    plan = sample_plan()
    text = render_markdown(plan, sign_command=SIGN)
    assert text.startswith("## Move 530.00 EUR between 8 lines on Sunday 22 November 2026\n")
    assert "| search / generic | 2,100.00 | 2,480.00 | +380.00 | The steepest" in text
    assert "- review: social / retargeting reported no conversions" in text
    assert f"Sign: `{SIGN}`" in text
    assert plan.content_hash in text


def test_a_message_says_what_learning_costs():
    account = PlanExploration(
        moved=40.0, most=50.0, cost=128.78, most_cost=200.0, total_cost=128.78, worth=310.0,
        horizon_days=30.0, unpaid=0, uncovered=0,
    )  # fmt: skip
    text = render_markdown(sample_plan(exploration=account))
    cost = "learning is expected to cost 129 EUR of revenue tonight, and to earn 310 over 30 nights"
    assert f"Beside the same plan without lessons, {cost}" in text
    nothing = account.model_copy(update={"cost": 0.0})
    assert "learning" not in render_markdown(sample_plan(exploration=nothing))


def test_a_message_says_that_lessons_which_cost_nothing_are_not_set_off():
    pair = ExplorationMove(
        up="tv", down="social", money=40.0, cost=34.6, worth=310.0, surer_up=0.1, surer_down=0.1
    )
    earns = pair.model_copy(update={"cost": -84.5})
    account = PlanExploration(
        moved=80.0, most=90.0, cost=34.6, most_cost=200.0, total_cost=34.6, worth=620.0,
        horizon_days=30.0, unpaid=0, uncovered=0, moves=(pair, earns),
    )  # fmt: skip
    plan = sample_plan(exploration=account)
    said = "1 pair that should bring 84.5 more even tonight is not set off against that."
    assert said in render_markdown(plan)
    assert said in render_report(plan, ReportExtras(), sign_command=SIGN)
    alone = account.model_copy(update={"moves": (pair,)})
    assert "set off" not in render_markdown(sample_plan(exploration=alone))


def test_a_message_of_many_moves_stays_short():
    text = render_markdown(large_plan(500))
    assert text.count("\n| ") == MOST_ROWS + 2
    assert "more lines |" in text


def test_the_sheet_holds_every_line_and_adds_up():
    plan = sample_plan()
    rows = list(csv.DictReader(io.StringIO(plan_csv(plan), newline="")))
    assert len(rows) == len(plan.lines)
    for row, line in zip(rows, plan.lines, strict=True):
        assert float(row["current"]) == line.current
        assert float(row["proposed"]) == line.proposed
        assert float(row["change"]) == round(line.proposed - line.current, 2)
        assert row["audience"] == line.line["audience"]
    assert sum(float(row["proposed"]) for row in rows) == plan.budget
