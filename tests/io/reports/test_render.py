from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.core.errors import PipelineError
from pipeline.core.findings import Finding, Level
from pipeline.core.plan import Mode, ModelHealth, Plan, PlanLine
from pipeline.io.reports import ReportExtras, render_report
from pipeline.io.reports.limits import stopped_by
from pipeline.io.reports.render import _environment
from pipeline.io.reports.summary import render_markdown
from pipeline.io.reports.words import money, money_change, number
from tests.io.reports.dom import Element, parse
from tests.io.reports.samples import SIGN, large_plan, sample_extras, sample_plan

GOLDEN = Path(__file__).parents[2] / "golden" / "plan_page.html"


def page(plan: Plan | None = None, extras: ReportExtras | None = None) -> Element:
    plan = plan or sample_plan()
    extras = extras if extras is not None else sample_extras(plan)
    return parse(render_report(plan, extras, sign_command=SIGN))


def test_the_page_is_the_golden_one():
    plan = sample_plan()
    few = sample_plan(lines=plan.lines[:3], budget=4140.0, findings=plan.findings[:2])
    html = render_report(few, ReportExtras(), sign_command=SIGN)
    if os.environ.get("EQUIMARGINAL_WRITE_GOLDEN"):
        GOLDEN.write_text(html, encoding="utf-8")
    assert html == GOLDEN.read_text(encoding="utf-8")


def test_every_line_shows_the_plan_s_figures():
    plan = sample_plan()
    tables = page(plan).with_id("all-lines").rows()
    shown = {row[0].split()[0]: row[1:] for row in tables}
    for line in plan.lines:
        cells = shown[line.line["audience"]]
        assert cells[0] == money(line.current, "EUR")
        assert cells[1] == money(line.proposed, "EUR")
        assert cells[2] == money_change(line.proposed - line.current, "EUR")
        assert cells[4] == number(line.expected.mean)
        assert cells[5] == number(line.marginal_return.mean)


def test_the_moves_show_the_plan_s_figures_and_reasons():
    plan = sample_plan()
    root = page(plan)
    rows = {
        row[0]: row for table in root.all("table", class_="moves sorts") for row in table.rows()
    }
    for line in plan.lines:
        row = rows[" / ".join(line.line[c] for c in plan.line_columns)]
        assert row[2:4] == [money(line.current, "EUR"), money(line.proposed, "EUR")]
        assert line.reason in row[5]
        assert all(limit in row[5] for limit in line.binding)


def test_the_signer_sees_command_hash_and_total():
    plan = sample_plan()
    sign = page(plan).one("section", class_="sign").text
    assert SIGN in sign
    assert plan.content_hash in sign
    assert "The lines add up to the budget of 10,000.00 EUR exactly." in sign
    assert "equimarginal reject 2026-11-22-1a2b3c4d --as ana --why '...'" in sign


def test_caps_show_limit_use_and_price_in_words():
    limits = page().with_id("limits-shown").text
    assert "One EUR more of it would earn 0.57 revenue." in limits
    costs = {row[0]: row[4] for row in page().all("table", class_="caps sorts")[0].rows()}
    assert costs == {"search": "about 187", "tv": "nothing", "social / lookalike_1pct": "nothing"}
    assert "at most 4,140.00" in limits
    assert "100.00 to 1,500.00" in limits
    assert "1 line with 400.00 EUR stays at the current budget until it is decided." in limits


def test_a_cap_whose_cost_is_not_known_is_priced_by_its_next_tenth():
    limits = page(extras=ReportExtras()).with_id("limits-shown").text
    assert "Raising it by 10% would earn at most about 236 a day." in limits


def test_guardrails_show_what_is_not_known_as_not_known():
    row = next(
        r
        for r in page().one("table", class_="rails sorts").rows()
        if r[0].startswith("new customers")
    )
    assert row[1:5] == ["at least 120", "not known", "not known", "review"]


def test_what_failed_comes_before_what_needs_review_and_what_passed_is_folded():
    root = page()
    attention = root.with_id("attention-list").text
    assert "silent" not in attention  # names of checks stay in the data section
    assert "Ask the owner of the tracker" in attention
    folded = [d for d in root.all("details") if "3 checks passed" in d.text]
    assert len(folded) == 1
    assert "open" not in folded[0].attributes


def test_what_the_model_leaves_open_stands_above_the_signature():
    plan = sample_plan(findings=())
    section = page(plan).one("section", aria_labelledby="attention")
    assert "social / interest_home earns 18% less" in section.text
    assert "social / interest_home earns 18% less" in render_markdown(plan).replace("\\", "")
    failed = Finding(level=Level.FAIL, check="model.mixing", message="chains are apart")
    review = Finding(level=Level.REVIEW, check="data", message="a row is late")
    health = ModelHealth(level="fail", checks=(*plan.model_health.checks, failed))
    both = page(sample_plan(findings=(review,), model_health=health))
    texts = [item.text for item in both.with_id("attention-list").all("li")]
    order = [next(i for i, text in enumerate(texts) if words in text) for words in
             ("chains are apart", "earns 18% less", "a row is late")]  # fmt: skip
    assert order == sorted(order)
    data = both.one("section", aria_labelledby="data").text
    assert data.count("chains are apart") == 1


@pytest.mark.parametrize("mode", [Mode.FALLBACK, Mode.HOLD])
def test_a_plan_without_model_figures_is_complete_and_says_what_is_missing(mode):
    lines = tuple(
        PlanLine(line=line.line, current=line.current, proposed=line.current)
        for line in sample_plan().lines
    )
    plan = sample_plan(
        mode=mode, lines=lines, expected=None, status_quo=None, uplift=None, certificate=None,
        model_health=None, budget_price=None, guardrails=(), caps=(), fallback_days=3,
        reasons=("outcomes.csv is 3 days old",),
    )  # fmt: skip
    root = page(plan, ReportExtras())
    text = root.one("header", class_="masthead").text
    assert "No new plan" in text
    assert "outcomes.csv is 3 days old" in text
    assert not re.search(r"\b(nan|inf|None)\b", root.text)
    assert "not known" in root.with_id("all-lines").text


def test_numbers_that_are_not_numbers_are_not_known():
    extras = sample_extras()
    promise = extras.promises[1].model_copy(update={"realised": float("nan")})
    broken = extras.model_copy(update={"promises": (promise,), "exploration_cost": float("nan")})
    root = page(extras=ReportExtras.from_json(broken.to_json()))
    row = root.one("table", class_="spans promises sorts").rows()[0]
    assert row[3] == "not known"
    assert row[6] == "Not yet known"
    assert not re.search(r"\b(nan|inf|None)\b", root.text)


def test_a_template_cannot_print_what_is_missing():
    with pytest.raises(PipelineError, match="without saying how"):
        _environment("EUR").from_string("{{ value }}").render(value=None)


def test_the_page_needs_nothing_from_outside_and_allows_only_its_own_script():
    root = page()
    policy = next(
        m for m in root.all("meta") if m.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    script = root.one("script").children[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.attributes["content"].startswith("default-src 'none'; style-src 'sha256-")
    assert f"; script-src 'sha256-{digest}'; " in policy.attributes["content"]
    assert "unsafe" not in policy.attributes["content"]
    for word in ("fetch", "XMLHttp", "import(", "eval", "innerHTML", "Storage", "cookie", "http:"):
        assert word not in script
    assert not root.all("img")
    for element in root.walk():
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            assert name != "style"
            if name in {"href", "src"}:
                assert value.startswith(("#", "data:,"))


def test_the_page_can_be_found_one_s_way_in():
    root = page()
    assert len(root.all("h1")) == len(root.all("main")) == len(root.all("header")) == 1
    ids = [e.attributes["id"] for e in root.walk() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for element in root.walk():
        for name in ("aria-labelledby", "for"):
            for target in element.attributes.get(name, "").split():
                assert target in ids
    for link in root.all("a"):
        assert link.attributes["href"].removeprefix("#") in ids
    for cell in root.all("th"):
        assert cell.attributes["scope"] in {"col", "row"}
    for svg in root.all("svg"):
        assert svg.attributes.get("aria-hidden") == "true" or svg.attributes.get("role") == "img"
    for svg in root.all("svg", role="img"):
        assert svg.attributes.get("aria-label") or (svg.all("title") and svg.all("desc"))


def test_a_stored_plan_gives_the_same_bytes_in_another_process():
    plan, extras = sample_plan(), sample_extras()
    html = render_report(plan, extras, sign_command=SIGN)
    again = render_report(
        Plan.from_json(plan.to_json()), ReportExtras.from_json(extras.to_json()), sign_command=SIGN
    )
    assert again == html
    code = (
        "import sys; from tests.io.reports.samples import *; "
        "from pipeline.io.reports import render_report; "
        "sys.stdout.buffer.write("
        "render_report(sample_plan(), sample_extras(), sign_command=SIGN).encode())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env=environment,
        cwd=Path(__file__).parents[3],
    )
    assert other.stdout == html.encode()


def test_the_link_that_signs_is_a_web_address_or_nothing():
    link = "https://airflow.example/dags/a/runs/b/tasks/sign_off/required_actions"
    extras = sample_extras().model_copy(update={"sign_link": link})
    sign = page(extras=extras).one("section", class_="sign")
    assert [a.attributes["href"] for a in sign.all("a")] == [link]
    assert not page().one("section", class_="sign").all("a")
    for text in ("javascript:alert(1)", "//evil.example", 'https://a"b', "https://a b"):
        with pytest.raises(ValidationError):
            ReportExtras(sign_link=text)


def test_a_long_list_of_findings_leaves_the_signing_in_sight():
    findings = tuple(
        Finding(level=Level.REVIEW, check=f"c{n}", message=f"finding {n}") for n in range(9)
    )
    plan = sample_plan(findings=findings, model_health=None)
    section = page(plan).one("section", aria_labelledby="attention")
    folded = section.one("details")
    assert "5 more findings" in folded.text
    assert [f"finding {n}" in folded.text for n in range(9)] == [False] * 4 + [True] * 5
    assert all(f"finding {n}" in section.text for n in range(9))


def test_other_budgets_are_told_against_tonight():
    rows = page().one("table", class_="budgets").rows()
    assert [row[0] for row in rows] == [
        "6,000.00", "8,000.00", "9,000.00", "10,000.00", "11,000.00", "12,000.00", "14,000.00"
    ]  # fmt: skip
    assert rows[3][1:] == ["tonight", "", "0.94"]
    assert rows[4][1:] == ["+1,000.00", "+896", "0.85"]


@pytest.mark.parametrize(
    ("metric", "of"), [("revenue", "EUR of revenue"), ("new_trials", "new trials")]
)
def test_every_gain_says_what_it_counts(metric: str, of: str):
    plan = sample_plan()
    assert plan.expected is not None
    expected = plan.expected.model_copy(update={"metric": metric})
    plan = plan.model_copy(update={"expected": expected})
    root = page(plan)
    brought = root.with_id("brought").text
    assert f" {of} in all against leaving budgets alone" in brought
    assert f" {of} was missed" in brought
    assert f" {of}." in brought
    assert f" {of} a day" in root.one("div", class_="sure").text
    assert f"Expected gain, {of} a day" in root.one("section", aria_labelledby="changes").text
    assert f" {metric.replace('_', ' ')} a day than leaving" in render_markdown(plan)


def test_the_month_says_whether_it_is_on_track():
    extras = sample_extras()
    text = page(extras=extras).one("section", aria_labelledby="pacing").text
    assert "The month is on track. 209,480.12 EUR is spent (69.8% of the month's" in text
    late = extras.pacing.model_copy(update={"spent": 180000.0})
    text = page(extras=extras.model_copy(update={"pacing": late})).text
    assert "The month is 10% of its budget behind what was planned." in text


def test_two_thousand_lines_stay_a_page():
    plan = large_plan(2000)
    started = time.process_time()
    html = render_report(plan, ReportExtras(), sign_command=SIGN)
    assert time.process_time() - started < 5
    assert len(html.encode()) < 900_000
    assert len([row for row in parse(html).with_id("all-lines").rows() if row]) == 2000


def _channel(value: float) -> float:
    return value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4


def _luminance(colour: str) -> float:
    red, green, blue = (_channel(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, two: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_text_colour_has_enough_contrast_in_every_theme():
    style = (Path(__file__).parents[3] / "reports" / "style.css").read_text(encoding="utf-8")
    themes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    assert len(themes) == 3
    for theme in themes:
        colours = {
            name: value if len(value) == 7 else "#" + "".join(2 * c for c in value[1:])
            for name, value in theme.items()
        }
        for name in ("ink", "soft", "up", "down", "accent", "fail", "review", "pass"):
            assert _contrast(colours[name], colours["ground"]) >= 4.5, name
        for name in ("panel-ink", "panel-soft"):
            assert _contrast(colours[name], colours["panel"]) >= 4.5, name


def test_a_page_of_two_thousand_lines_stays_a_few_hundred_kilobytes():
    html = render_report(large_plan(2000), ReportExtras(), sign_command=SIGN)
    assert len(html.encode("utf-8")) < 400_000
    assert len(parse(html).one("div", id="all-lines").all("tbody")[0].all("tr")) == 400


def test_lines_are_said_to_be_even_only_where_the_plan_is_the_best_split():
    held, short = "held there by a limit", "this plan stops short of it"
    for objective, said, unsaid in ((None, held, short), (2.0, short, held)):
        plan = sample_plan()
        reached = plan.expected.mean * (objective or 1.0)
        best = plan.certificate.model_copy(update={"objective": reached, "upper_bound": reached})
        told = plan.model_copy(update={"certificate": best})
        html = render_report(told, sample_extras(told), sign_command=SIGN)
        assert said in html
        assert unsaid not in html


def test_where_limits_let_no_line_take_more_the_page_says_so_instead_of_a_price_of_nothing():
    plan = sample_plan()
    limits = ["ramp", "cap search max", "held"]
    lines = tuple(
        line.model_copy(update={"binding": (limits[place % 3],)})
        for place, line in enumerate(plan.lines)
    )
    stuck = plan.model_copy(update={"lines": lines, "budget_price": 0.0})
    extras = sample_extras(stuck)
    price = (*extras.frontier.price[:-1], 0.0)
    extras = extras.model_copy(
        update={"frontier": extras.frontier.model_copy(update={"price": price})}
    )
    root = parse(render_report(stuck, extras, sign_command=SIGN))
    said = root.one("section", aria_labelledby="prices").all("p")[0].text
    assert "because of caps and holds and the daily change limit: one more EUR could not" in said
    assert "would earn 0 " not in said
    ends = [row[3] for row in root.one("table", class_="budgets").rows()]
    assert ends[-1] == "limits allow no more"
    assert "limits allow no more" not in ends[:-1]


@pytest.mark.parametrize("change", ["price", "free", "less"])
def test_a_price_is_told_where_a_line_may_take_more_or_money_is_cut(change: str):
    plan = sample_plan()
    lines = tuple(line.model_copy(update={"binding": ("ramp",)}) for line in plan.lines)
    made = {"lines": lines, "budget_price": 0.0}
    if change == "price":
        made["budget_price"] = 0.7
    elif change == "free":
        made["lines"] = (lines[0].model_copy(update={"binding": ()}), *lines[1:])
    else:
        made["budget"] = plan.budget - 500
    assert stopped_by(plan.model_copy(update=made)) == ""
