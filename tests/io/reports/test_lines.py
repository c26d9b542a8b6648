from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.plan import PlanLine
from pipeline.io.reports import ReportExtras, render_report
from pipeline.io.reports.lines import (
    MOST_CURVES,
    MOST_LISTED,
    Kind,
    drawn_lines,
    line_lists,
    line_views,
    moved,
    price_rows,
    table_of,
    tree,
)
from tests.io.reports.samples import large_plan, sample_plan


def test_every_line_is_in_exactly_one_list():
    lists = line_lists(line_views(sample_plan()))
    assert [(item.kind, item.total) for item in lists] == [
        (Kind.MOVE, 6), (Kind.TEST, 2), (Kind.WATCH, 1), (Kind.HOLD, 3),
    ]  # fmt: skip


def test_a_move_with_a_little_learning_in_it_is_still_a_move():
    lines = list(sample_plan().lines)
    lines[0] = lines[0].model_copy(update={"exploration": 5.0})
    assert line_views(sample_plan(lines=tuple(lines)))[0].kind is Kind.MOVE


def test_a_line_with_a_finding_is_watched_where_it_holds_and_marked_where_it_moves():
    lines = list(sample_plan().lines)
    place = next(i for i, item in enumerate(lines) if item.line["audience"] == "retargeting")
    lines[place] = lines[place].model_copy(update={"proposed": 510.0, "action": "scale"})
    view = line_views(sample_plan(lines=tuple(lines)))[place]
    assert (view.kind, view.flagged) == (Kind.MOVE, True)


def test_the_largest_moves_come_first():
    first = line_lists(line_views(sample_plan()))[0]
    assert [row.line.change for row in first.rows] == [380.0, -280.0, 110.0, -90.0, -60.0, -60.0]


def test_what_is_not_listed_is_counted():
    views = line_views(large_plan(200))
    for item in line_lists(views):
        of_kind = [v for v in views if v.kind is item.kind]
        assert len(item.rows) + len(item.folded) == min(MOST_LISTED, len(of_kind))
        assert item.more == max(0, len(of_kind) - MOST_LISTED)
        listed = sum(row.line.change for row in item.rows)
        assert listed + item.folded_change + item.more_change == pytest.approx(
            sum(v.change for v in of_kind)
        )


def test_what_is_taken_and_added_is_exact():
    assert moved(line_views(sample_plan()), "EUR") == (530.0, 530.0)


def test_every_level_of_the_hierarchy_adds_up():
    lines = tuple(
        PlanLine(
            line={"a": f"a{i % 2}", "b": f"b{i % 3}", "c": f"c{i % 4}", "d": f"d{i}"},
            current=0.1 * i,
            proposed=0.1 * i + 0.01,
        )
        for i in range(24)
    )
    plan = sample_plan(lines=lines, line_columns=("a", "b", "c", "d"), findings=())
    views = line_views(plan)

    def check(nodes: list) -> float:
        for node in nodes:
            inside = node.nodes or node.lines
            assert node.proposed == pytest.approx(sum(item.proposed for item in inside))
            assert node.count == (
                sum(below.count for below in node.nodes) if node.nodes else len(node.lines)
            )
            if node.nodes:
                check(node.nodes)
        return sum(node.proposed for node in nodes)

    assert check(tree(views, plan.line_columns, "EUR")) == pytest.approx(
        sum(line.proposed for line in lines)
    )


@pytest.mark.parametrize("columns", [("a", "b"), ("b",)])
def test_a_table_of_very_many_lines_shows_the_largest_and_sums_up_the_rest(columns, monkeypatch):
    monkeypatch.setattr("pipeline.io.reports.lines.MOST_ROWS", 12)
    lines = tuple(
        PlanLine(
            line={"a": f"a{i // 12}", "b": f"b{i:02d}"}, current=0.1 * i, proposed=0.1 * i + 0.03
        )
        for i in range(24)
    )
    lines = tuple(
        item.model_copy(update={"line": {c: item.line[c] for c in columns}}) for item in lines
    )
    plan = sample_plan(lines=lines, line_columns=columns, findings=())
    views = line_views(plan)
    tables = [(node.lines, node.rest, node.proposed) for node in tree(views, columns, "EUR")]
    if columns == ("b",):
        tables = [(*table_of(views, "EUR", 12), sum(line.proposed for line in lines))]
    for shown, rest, total in tables:
        assert len(shown) == 12 // len(tables)
        assert rest is not None and rest.count == 24 // len(tables) - len(shown)
        assert sum(line.proposed for line in shown) + rest.proposed == pytest.approx(total)
        assert rest.change == pytest.approx(0.03 * rest.count)
        if columns == ("a", "b"):
            assert min(line.proposed for line in shown) * rest.count > rest.proposed


def test_a_page_of_very_many_lines_says_where_the_others_are(monkeypatch):
    monkeypatch.setattr("pipeline.io.reports.lines.MOST_ROWS", 50)
    page = render_report(large_plan(400), ReportExtras(), sign_command="sign")
    assert "more lines, those with least money" in page
    assert page.count("<tr") < 400


def test_a_portfolio_of_one_level_has_no_groups():
    lines = (PlanLine(line={"channel": "search"}, current=1.0, proposed=2.0),)
    plan = sample_plan(lines=lines, line_columns=("channel",), findings=())
    assert tree(line_views(plan), ("channel",), "EUR") == []


def test_a_line_that_starts_from_nothing_has_no_percentage():
    lines = (PlanLine(line={"channel": "new"}, current=0.0, proposed=20.0),)
    plan = sample_plan(lines=lines, line_columns=("channel",), findings=())
    assert line_views(plan)[0].change_share is None


def test_prices_are_ordered_and_a_vague_line_does_not_press_the_others_together():
    lines = list(sample_plan().lines)
    vague = lines[0].marginal_return.model_copy(update={"p95": 9999.0})
    lines[0] = lines[0].model_copy(update={"marginal_return": vague})
    rows, scale = price_rows(line_views(sample_plan(lines=tuple(lines))), 0.94)
    means = [row.line.marginal.mean for row in rows]
    assert means == sorted(means, reverse=True)
    assert scale.high < 10


def test_a_row_leaves_out_of_its_reason_what_its_figures_say():
    known = line_views(sample_plan())[0]

    def rest(reason: str) -> str:
        return replace(known, reason=reason).rest_of_reason

    assert rest("The next EUR earns 1.20 revenue, 0.94 elsewhere") == ""
    stopped = "The next EUR earns 1.20 revenue, 0.94 elsewhere; stopped by the daily limit of 25%"
    assert rest(stopped) == "Stopped by the daily limit of 25%"
    assert rest("Held: its cap waits; ask finance") == "Held: its cap waits; ask finance"
    assert replace(known, reason=stopped, binding=("ramp", "cap search max")).unsaid == [
        "cap search max"
    ]


def test_a_part_of_a_move_that_is_made_to_learn_is_told_once():
    lines = list(sample_plan().lines)
    said = "the next EUR earns 0.80 revenue; a lesson begins, +12.50 until the week ends"
    for reason, unsaid in ((said, 0.0), ("the next EUR earns 0.80 revenue", 12.5)):
        lines[0] = lines[0].model_copy(update={"exploration": 12.5, "reason": reason})
        assert line_views(sample_plan(lines=tuple(lines)))[0].unsaid_lesson == unsaid


def test_a_cent_of_rounding_is_no_move():
    lines = list(sample_plan().lines)
    held = next(i for i, line in enumerate(lines) if line.current == line.proposed)
    for change, kind in ((0.01, Kind.HOLD), (-0.01, Kind.HOLD), (0.02, Kind.MOVE)):
        moving = lines[held].model_copy(
            update={"proposed": lines[held].current + change, "action": "scale"}
        )
        plan = sample_plan(lines=(*lines[:held], moving, *lines[held + 1 :]), findings=())
        view = line_views(plan)[held]
        assert view.kind is kind
        assert view.change == pytest.approx(change)
        notes = {each.kind: each.note for each in line_lists(line_views(plan))}
        assert ("rounding" in notes.get(Kind.HOLD, "")) is (kind is Kind.HOLD)


def test_few_lines_are_all_drawn_and_of_many_only_those_that_change():
    plan = sample_plan()
    assert len(drawn_lines(plan, set(plan.budgets))) == len(plan.lines)
    large = large_plan(200)
    drawn = drawn_lines(large, set(large.budgets))
    assert len(drawn) == MOST_CURVES
    changes = {v.key: v.change for v in line_views(large)}
    assert all(changes[line] for line in drawn)
