from __future__ import annotations

import csv
import io

from pipeline.core.learning import PlanExploration
from pipeline.io.reports import plan_csv, render_markdown
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
    cost = "Learning is expected to cost 129 EUR of revenue of that tonight, and to earn 310 over"
    assert f"{cost} 30 nights" in text
    nothing = account.model_copy(update={"cost": 0.0})
    assert "Learning" not in render_markdown(sample_plan(exploration=nothing))


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
