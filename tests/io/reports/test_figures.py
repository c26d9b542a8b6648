"""Every figure on every page, read back from the page and held against what it was made from.

A cell is read as a number that is right to half its last digit, so the tests share no code with
what formats it. Each table of a page has to be read by one of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np
import pytest

from pipeline.core.learning import CreditRow, KpiPart, PlanKpi
from pipeline.core.plan import Interval, Plan
from pipeline.core.types import in_scope
from pipeline.io.reports import ReportExtras, render_report
from tests.io.reports.conftest import all_pages, fallback_plan, sample_caps, sample_nights
from tests.io.reports.decisions import cadence_extras, sample_cadence, sample_offers
from tests.io.reports.dom import Element, parse
from tests.io.reports.samples import SIGN, sample_extras, sample_plan, sample_rotation

_NUMBER = re.compile(r"[+−-]?\d[\d,]*(?:\.\d+)?")


@pytest.fixture(scope="module")
def html() -> dict[str, str]:
    return all_pages()


@pytest.fixture(scope="module")
def roots(html: dict[str, str]) -> dict[str, Element]:
    return {name: parse(text) for name, text in html.items()}


def numbers(text: str) -> list[tuple[float, float]]:
    """The numbers in a text, each with half of its last digit."""
    found = []
    for match in _NUMBER.finditer(text):
        plain = match[0].replace(",", "").replace("−", "-")
        digits = len(plain.partition(".")[2])
        percent = 0.01 if text[match.end() :].lstrip()[:1] == "%" else 1.0
        found.append((float(plain) * percent, 0.5000001 * percent * 10.0**-digits))
    return found


def shows(text: str, *values: float | None) -> bool:
    """Whether the text's numbers are these, in order; None is said as not known."""
    if values == (None,):
        return text == "not known"
    found = numbers(text)
    known = [value for value in values if value is not None]
    return len(found) == len(known) and all(
        math.isclose(seen, value, abs_tol=half, rel_tol=0)
        for (seen, half), value in zip(found, known, strict=True)
    )


def three(interval: Interval) -> tuple[float, float, float]:
    return interval.mean, interval.p05, interval.p95


def names(plan: Plan) -> dict[str, object]:
    return {" / ".join(line.line.values()): line for line in plan.lines}


def table(root: Element, section: str, kind: str = "") -> list[list[str]]:
    found = [
        item
        for item in root.one("section", aria_labelledby=section).all("table")
        if kind in item.attributes.get("class", "")
    ]
    assert len(found) == 1, section
    return found[0].rows()


READ = {
    "plan": {"moves", "spans", "spans sorts", "caps sorts", "rails sorts", "budgets", "lines",
             "spans promises sorts", "changes", "caps tests", "moves sorts"},
    "fallback": {"moves sorts", "caps sorts", "lines"},
    "caps": {"caps sorts"},
    "index": {"nights sorts"},
    "rotation": {"rails", "caps split"},
    "offers": {"rails", "caps split"},
    "cadence": {"rails", "caps split", "doses"},
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_no_table_is_left_unread(roots, name):
    found = {item.attributes["class"] for item in roots[name].all("table")}
    assert found <= READ[name]


def test_the_first_sentences_and_the_flow_add_up(roots):
    plan, root = sample_plan(), roots["plan"]
    changes = {name: line.proposed - line.current for name, line in names(plan).items()}
    up = sum(change for change in changes.values() if change > 0)
    assert shows(root.one("h1").text, up, 8, 22, 2026)
    promise = root.one("p", class_="promise").text
    gain = plan.uplift
    assert shows(promise, gain.mean, 0.9, gain.p05, gain.p95, 97, 100)
    whole = root.one("p", class_="whole").text
    assert shows(whole, plan.budget, up / plan.budget, 1, 3, 40.0)  # one gives it, one gets it
    flow = root.one("section", class_="flow")
    for way, sign in (("down", -1), ("up", 1)):
        side = flow.one("div", class_=way)
        assert shows(side.one("h3").text, sign * up)
        for row in side.all("li"):
            assert shows(row.one("b").text, sign * changes[row.one("span").text])
        assert len(side.all("li")) == sum(sign * change > 0 for change in changes.values())
        widths = [float(bar.attributes["width"][:-1]) for bar in side.all("rect")]
        amounts = [numbers(row.one("b").text)[0][0] for row in side.all("li")]
        most = max(abs(change) for change in changes.values())
        assert widths == pytest.approx([100 * amount / most for amount in amounts], abs=0.01)
    ends = flow.one("div", class_="sure").one("svg", class_="ends")
    assert shows(ends.text, gain.p05, gain.p95, 0)


@pytest.mark.parametrize("name", ["plan", "fallback"])
def test_every_list_of_moves_shows_the_plan(roots, name):
    plan = sample_plan() if name == "plan" else fallback_plan()
    known = names(plan)
    seen = set()
    for item in roots[name].all("table", class_="moves sorts"):
        for cells in item.rows():
            line = known[cells[0].removesuffix(" look")]
            change = line.proposed - line.current
            share = (change / line.current,) if change else ()
            assert shows(cells[2], line.current)
            assert shows(cells[3], line.proposed)
            assert shows(cells[4], change, *share)
            seen.add(cells[0].removesuffix(" look"))
    assert seen == set(known)


@pytest.mark.parametrize("name", ["plan", "fallback"])
def test_every_line_and_every_sum_of_the_hierarchy_is_the_plans(roots, name):
    plan = sample_plan() if name == "plan" else fallback_plan()
    nodes = [
        item for item in roots[name].all("details") if "node" in item.attributes.get("class", "")
    ]
    assert len(nodes) == len({line.line["channel"] for line in plan.lines})
    for node in nodes:
        summary = [child for child in node.one("summary").children if isinstance(child, Element)]
        channel = summary[0].text.removeprefix("channel ").split()[0]
        inside = [line for line in plan.lines if line.line["channel"] == channel]
        before = sum(line.current for line in inside)
        after = sum(line.proposed for line in inside)
        texts = [cell.text for cell in summary[1:5]]
        assert shows(texts[0], before)
        assert shows(texts[1], after)
        assert shows(texts[2], after - before)
        assert shows(texts[3], (after - before) / before)
        rows = node.one("table", class_="lines").rows()
        assert len(rows) == len(inside)
        for cells in rows:
            line = next(x for x in inside if x.line["audience"] == cells[0].split()[0])
            change = line.proposed - line.current
            wanted = (line.current, line.proposed, change, change / line.current)
            assert all(shows(cell, value) for cell, value in zip(cells[1:5], wanted, strict=True))
            assert shows(cells[5], line.expected.mean if line.expected else None)
            assert shows(cells[6], line.marginal_return.mean if line.marginal_return else None)


def test_what_is_expected_and_what_the_next_unit_earns_is_the_plans(roots):
    plan, root = sample_plan(), roots["plan"]
    rows = table(root, "compared")
    for cells, interval in zip(rows, (plan.expected, plan.status_quo, plan.uplift), strict=True):
        assert [shows(c, v) for c, v in zip(cells[2:], three(interval), strict=True)] == [True] * 3
    rows = table(root, "prices")
    assert len(rows) == len(plan.lines)
    for cells in rows:
        wanted = three(names(plan)[cells[0]].marginal_return)
        assert all(shows(cell, value) for cell, value in zip(cells[2:5], wanted, strict=True))
    said = root.one("section", aria_labelledby="prices").all("p")[0].text
    assert numbers(said)[0][0] == plan.budget_price


def test_every_curve_says_what_its_line_earns_and_stands_where_the_plan_is(roots):
    plan, extras = sample_plan(), sample_extras()
    curves = {" / ".join(item.line): item for item in extras.lines}
    figures = roots["plan"].one("section", aria_labelledby="curves").all("figure")
    assert len(figures) == len(plan.lines)
    for figure in figures:
        name = figure.one("figcaption").one("b").text
        line, curve = names(plan)[name], curves[name]
        said = " ".join(item.text for item in figure.all("p"))
        assert shows(said, *three(line.expected), *three(line.marginal_return))
        assert shows(figure.one("figcaption").one("span").text, line.proposed - line.current)
        svg = figure.one("svg")
        x0, x1 = (float(end) for end in svg.attributes["data-x"].split())
        y0, y1 = (float(end) for end in svg.attributes["data-y"].split())
        for kind, spend in (("then", line.proposed), ("now", line.current)):
            for dot in svg.all("circle", class_=kind):
                at = x0 + (float(dot.attributes["cx"]) - 40) / 266 * (x1 - x0)
                up = y0 + (166 - float(dot.attributes["cy"])) / 154 * (y1 - y0)
                assert at == pytest.approx(spend, abs=0.0005 * (x1 - x0))
                assert up == pytest.approx(np.interp(spend, curve.spend, curve.mean), rel=0.02)


def limits_of(plan: Plan) -> dict[str, tuple[tuple[float, ...], float]]:
    """The amounts of every cap in force and the money planned under it, by its scope in words."""
    out = {}
    for cap in plan.caps:
        limit = tuple(v for v in (cap.fixed, cap.min, cap.max) if v is not None)
        planned = sum(
            money
            for line, money in plan.budgets.items()
            if in_scope(line, plan.line_columns, cap.scope)
        )
        out[" / ".join(cap.scope.values())] = (limit, planned)
    return out


def check_caps(rows: Iterable[list[str]], plan: Plan, costs: Mapping[str, float]) -> None:
    known = limits_of(plan)
    by_scope = {" / ".join(cap.scope.values()): cap for cap in plan.caps}
    seen = set()
    for cells in rows:
        scope = next(name for name in sorted(known, reverse=True) if cells[0].startswith(name))
        limit, planned = known[scope]
        cap = by_scope[scope]
        assert shows(cells[1], *limit)
        assert shows(cells[2], planned)
        assert shows(cells[4], *([costs[cap.id]] if cap.id in costs else []))
        if "would earn" in cells[5]:
            assert numbers(cells[5])[0][0] == cap.shadow_price
        seen.add(scope)
    assert seen == set(known)


def test_caps_guardrails_and_what_waits_are_the_plans(roots):
    plan, extras, root = sample_plan(), sample_extras(), roots["plan"]
    in_force, waiting = root.with_id("limits-shown").all("table", class_="caps sorts")
    check_caps(in_force.rows(), plan, extras.cap_costs)
    for cells, cap in zip(waiting.rows(), extras.waiting_caps, strict=True):
        assert shows(cells[1], cap.max)
        assert shows(cells[2], cap.held_lines, cap.held_money)
    rails = {rail.metric.replace("_", " "): rail for rail in plan.guardrails}
    for cells in table(root, "limits", "rails"):
        rail = rails[next(name for name in rails if cells[0].startswith(name))]
        assert shows(cells[1], rail.limit)
        assert shows(cells[2], rail.expected)
        assert shows(cells[3], rail.current)
        assert cells[4] == rail.status


def test_other_budgets_the_month_and_learning_are_what_was_found(roots):
    plan, extras, root = sample_plan(), sample_extras(), roots["plan"]
    frontier = extras.frontier
    here = np.interp(plan.budget, frontier.budget, frontier.mean)
    for cells in table(root, "frontier"):
        at = next(i for i, b in enumerate(frontier.budget) if shows(cells[0], b))
        if cells[1] != "tonight":
            assert shows(cells[1], frontier.budget[at] - plan.budget)
            assert shows(cells[2], frontier.mean[at] - here)
        assert shows(cells[3], frontier.price[at])
    pacing = extras.pacing
    text = root.one("section", aria_labelledby="pacing").all("p")[0].text
    share = pacing.spent / pacing.budget
    assert shows(text, pacing.spent, share, pacing.budget, pacing.planned_by_now, pacing.forecast)
    text = root.one("section", aria_labelledby="learning").all("p")[0].text
    explored = sum(line.exploration for line in plan.lines if line.exploration > 0)
    assert shows(text, explored, explored / plan.budget, extras.exploration_cost)
    (cells,) = table(root, "learning")
    assert cells[0] == "tv_north"
    assert shows(cells[4], extras.experiments[0].price)


def test_the_record_is_what_came(roots):
    plan, extras, root = sample_plan(), sample_extras(), roots["plan"]
    promises = {item.day.isoformat(): item for item in extras.promises}
    rows = table(root, "promises")
    assert len(rows) == len(promises)
    for cells in rows:
        item = promises[cells[0]]
        wanted = (item.promised.mean, item.realised, item.complete_share, item.adopted_share)
        assert all(shows(cell, value) for cell, value in zip(cells[2:6], wanted, strict=True))
    brought = extras.brought
    text = root.with_id("brought").text.replace("Sunday 8 November 2026", "")
    missed = brought.planned - brought.gain.mean
    gain = (brought.plans, brought.gain.mean, 0.9, brought.gain.p05, brought.gain.p95)
    assert shows(text, *gain, brought.otherwise, missed, brought.unsigned_plans, brought.unsigned)
    before = {name: line.current for name, line in names(plan).items()}
    for cells in table(root, "changes"):
        if cells[0] in before:
            assert shows(cells[1], before[cells[0]])
            assert shows(cells[2], names(plan)[cells[0]].proposed)
        elif cells[0] == "Expected gain, EUR of revenue a day":
            assert shows(cells[1], extras.previous.uplift.mean)
            assert shows(cells[2], plan.uplift.mean)
        else:
            assert cells == ["Caps in force", "2", "3"]


def test_the_page_of_caps_is_the_ledgers(roots):
    plan, root = sample_plan(), roots["caps"]
    in_force, past = root.all("table", class_="caps sorts")
    check_caps(in_force.rows(), plan, {"cap-0001": 187.0})
    known = {cap.id: cap for cap in sample_caps(plan)}
    request = root.one("section", class_="request")
    assert shows(request.one("p", class_="asked").text, known["new"].max)
    assert shows(request.one("p", class_="impact").text, 113, 0.9, 20, 260)
    searched = sum(v for line, v in plan.budgets.items() if line[0] == "search")
    assert shows(request.all("p")[2].text, 4140.0, 3, searched)
    for cells, name in zip(past.rows(), ("old", "no"), strict=True):
        assert shows(cells[1], known[name].max)


def test_the_index_is_what_the_ledger_holds(roots):
    nights = {night.plan.plan_id: night for night in sample_nights()}
    rows = roots["index"].rows()
    assert len(rows) == len(nights)
    for cells in rows:
        night = nights[cells[0].split()[1]]
        plan = night.plan
        moved = sum(max(line.proposed - line.current, 0.0) for line in plan.lines)
        assert shows(cells[3], plan.budget)
        assert shows(cells[4], moved, moved / plan.budget)
        assert shows(cells[6], plan.uplift.mean if plan.uplift else None)
        if plan.uplift:
            assert shows(cells[7], round(100 * plan.uplift.probability_positive), 100)
        assert shows(cells[8], night.promised)
        assert shows(cells[9], night.realised)
    known = [n for n in nights.values() if n.promised is not None]
    promised, came = sum(n.promised for n in known), sum(n.realised for n in known)
    said = roots["index"].one("p", class_="promise").text
    assert shows(said, len(known), promised, came, came / promised - 1)


def test_the_page_of_a_rotation_is_its_plan(roots):
    plan, root = sample_rotation(), roots["rotation"]
    up = plan.uplift
    assert shows(root.one("p", class_="promise").text, up.mean, up.p05, up.p95, 90, 100, 98, 100)
    lines = {tuple(line.line.values()): line for line in plan.lines}
    section = root.one("section", aria_labelledby="split")
    for heading, item in zip(section.all("h3"), section.all("table"), strict=True):
        for cells in item.rows():
            line = lines.pop((heading.text, cells[0].split()[0]))
            assert shows(cells[1], line.current)
            assert shows(cells[2], line.proposed)
            assert shows(cells[3], 100 * (line.proposed - line.current))
            assert shows(cells[4], *(1000 * value for value in three(line.expected)))
            odds = line.figures["probability_best"]
            assert shows(cells[6], max(odds, 0.01))
    assert lines == {}
    (rail,) = plan.guardrails
    (cells,) = table(root, "guardrails")
    assert shows(cells[1], rail.limit)
    assert shows(cells[2], rail.expected)
    assert shows(cells[3], rail.current)


def test_the_page_of_offers_is_its_plan_and_counts_an_offer_once(roots):
    plan, root = sample_offers(), roots["offers"]
    assert root.one("h1").text == "Sign new shares for 3 offers in 2 segments."
    up = plan.uplift
    assert shows(root.one("p", class_="promise").text, up.mean, up.p05, up.p95, 90, 100, 99, 100)
    figures = root.one("dl", class_="figures").all("div")
    for item, wanted in zip(figures, ((2, 3), (5, 6), (1020,), (99, 100, up.mean)), strict=True):
        assert shows(item.text, *wanted)
    lines = {tuple(line.line.values()): line for line in plan.lines}
    section = root.one("section", aria_labelledby="split")
    for heading, item in zip(section.all("h3"), section.all("table"), strict=True):
        segment, _, note = heading.text.partition(" ")
        allowed = "|".join(note.removeprefix("may get ").partition(";")[0].split(", "))
        for cells in item.rows():
            line = lines.pop((segment, allowed, cells[0].split()[0]))
            assert shows(cells[1], line.current)
            assert shows(cells[2], line.proposed)
            assert shows(cells[3], 100 * (line.proposed - line.current))
            people = line.figures["people"]
            assert shows(note.partition(";")[2], max(people, 50))
            if people < 50:
                assert ("fewer than" in note, cells[4]) == (True, "too few to show")
                continue
            assert shows(cells[4], *three(line.expected))
            assert shows(cells[6], min(max(line.figures["probability_best"], 0.01), 0.99))
    assert lines == {}
    for cells, rail in zip(table(root, "guardrails"), plan.guardrails, strict=True):
        assert cells[0] == rail.metric
        assert shows(cells[1], rail.limit)
        assert shows(cells[2], rail.expected)
        assert cells[3:] == [rail.status]  # nobody says what is left alone: no column for it


def test_the_page_of_a_cadence_is_its_plan(roots):
    plan, extras, root = sample_cadence(), cadence_extras(), roots["cadence"]
    assert root.one("h1").text == (
        "Sign new touches a week: raised for 2 segments, stopped for 1 segment."
    )
    up = plan.uplift
    assert shows(root.one("p", class_="promise").text, up.mean, up.p05, up.p95, 90, 100, 98, 100)
    lines = {line.line["stage"]: line for line in plan.lines}
    rows = table(root, "split")
    assert len(rows) == len(lines)
    for cells in rows:
        line = lines[cells[0].split()[0]]
        assert shows(cells[1], line.current)
        assert shows(cells[2], line.proposed)
        assert shows(cells[3], line.proposed - line.current)
        if line.figures["people"] < 50:
            assert cells[4] == "too few to show"
        else:
            assert shows(cells[4], *three(line.expected))
    curves = {item["line"][0]: item for item in extras["curves"]}
    drawn = root.one("section", aria_labelledby="curves").all("figure")
    assert len(drawn) == 4
    for figure in drawn:
        name = figure.one("b").text
        line, curve, svg = lines[name], curves[name], figure.one("svg")
        assert shows(figure.one("small").text, line.figures["people"])
        x0, x1 = (float(end) for end in svg.attributes["data-x"].split())
        y0, y1 = (float(end) for end in svg.attributes["data-y"].split())
        (dot,) = svg.all("circle", class_="then")
        at = x0 + (float(dot.attributes["cx"]) - 40) / 266 * (x1 - x0)
        up = y0 + (166 - float(dot.attributes["cy"])) / 154 * (y1 - y0)
        assert at == pytest.approx(line.proposed, abs=0.0005 * (x1 - x0))
        true = np.interp(line.proposed, curve["spend"], curve["mean"])
        assert up == pytest.approx(true, abs=0.02 * (y1 - y0))
    capacity = extras["capacity"]
    facts = root.one("section", aria_labelledby="sending").all("dl")
    said = {item.one("dt").text: item.one("dd").text for part in facts for item in part.all("div")}
    assert shows(said["Limit"], capacity["limit"])
    assert shows(said["Must be sent"], capacity["must_send"])
    assert shows(said["Touches"], capacity["used"], capacity["left"])
    assert shows(said["One more would bring"], capacity["price"])
    assert said["Sent"] == "08:00 to 20:30, Europe/Berlin"
    doses = root.one("table", class_="doses")
    heads = [item.text for item in doses.one("thead").all("th")]
    assert heads == ["Segment", "none", "1", "2", "3", "4"]
    for name, *cells in doses.rows():
        parts = [lines[name].parts.get(str(dose), 0.0) for dose in range(5)]
        assert all(
            shows(cell, part) if part else not cell for cell, part in zip(cells, parts, strict=True)
        )
    rails = {(rail.metric, rail.scope["stage"]): rail for rail in plan.guardrails}
    for cells in table(root, "guardrails"):
        metric, _, stage = cells[0].partition(" · ")
        rail = rails.pop((metric, stage))
        assert shows(cells[1], rail.limit)
        assert shows(cells[2], rail.expected)
        assert cells[3] == "" if rail.current is None else shows(cells[3], rail.current)
        held = {"active": "", "loyal": " not sure enough: not raised"}
        assert cells[4] == rail.status + held.get(stage, " beyond its limit: not raised")
    assert rails == {}


def test_what_was_credited_stands_beside_what_money_caused():
    rows = (
        CreditRow(scope={}, attributed=9000.0, incremental=4500.0, p05=4000.0, p95=5100.0,
                  factor=0.5),
        CreditRow(scope={}, credit="crm", attributed=2000.0, incremental=1800.0, p05=1500.0,
                  p95=2100.0, factor=0.9, tests=("spring",)),
        CreditRow(scope={"channel": "tv"}, credit="modelled", attributed=0.0, incremental=70.0,
                  p05=20.0, p95=130.0, factor=None),
    )  # fmt: skip
    part = KpiPart(metric="trial", worth=30.0, amount=12.5, share=0.4)
    kpi = PlanKpi(north_star="value", credit="several", parts=(part,), credited=rows)
    html = render_report(sample_plan(kpi=kpi), ReportExtras(), sign_command=SIGN)
    parts, credited = parse(html).with_id("kpi-shown").all("table")
    ((_, worth, amount, share),) = parts.rows()
    assert shows(worth, part.worth)
    assert shows(amount, part.amount)
    assert shows(share, part.share)
    for cells, row in zip(credited.rows(), rows, strict=True):
        assert shows(cells[1], row.attributed)
        assert shows(cells[2], row.incremental)
        assert shows(cells[3], row.p05, row.p95)
        assert shows(cells[4], row.factor)
    names = [cells[0] for cells in credited.rows()]
    assert names == ["all lines", "all credited by crm", "tv modelled"]
    assert credited.rows()[1][5] == "spring"
