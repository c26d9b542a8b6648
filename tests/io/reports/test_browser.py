"""The pages in a real browser: any width, light and dark, on paper, without the network."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from pipeline.core.plan import Status
from pipeline.io.reports import Night, ReportExtras, render_index, render_report
from tests.io.reports.samples import sample_plan
from tests.io.reports.test_hostile import PAYLOADS, pages

NAMES = ["plan", "plain", "fallback", "many", "caps", "index", "rotation", "offers", "cadence"]


class Visit:
    """One page opened, with everything that it complained about or asked for."""

    def __init__(self, browser: object, path: Path, *, width: int = 1280, **media: str) -> None:
        self.trouble: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.emulate_media(**media)
        self.page.on("console", lambda message: self.trouble.append(message.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.trouble.append("dialog"), dialog.dismiss()))
        address = path.as_uri()
        self.page.on(
            "request",
            lambda request: (
                None
                if request.url == address or request.url.startswith("data:")
                else self.trouble.append(request.url)
            ),
        )
        self.page.goto(address)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("width", "media"),
    [
        (375, {"color_scheme": "light"}),
        (768, {"color_scheme": "dark"}),
        (1280, {"color_scheme": "light"}),
        (700, {"media": "print"}),
    ],
)
def test_a_page_fits_asks_for_nothing_and_complains_about_nothing(
    browser, folder, name, width, media
):
    visit = Visit(browser, folder / f"{name}.html", width=width, **media)
    wide = visit.page.evaluate("document.documentElement.scrollWidth")
    picture = os.environ.get("EQUIMARGINAL_PICTURES")
    if picture:
        visit.page.screenshot(path=f"{picture}/{name}-{width}.png", full_page=True)
    visit.page.close()
    assert visit.trouble == []
    assert wide <= width


@pytest.mark.parametrize("name", NAMES)
def test_a_phone_shows_every_reason_whole(browser, folder, name):
    visit = Visit(browser, folder / f"{name}.html", width=375)
    cut = visit.page.evaluate(
        "[...document.querySelectorAll('td.why')].filter("
        "x => x.scrollWidth > x.clientWidth + 1).map(x => x.textContent)"
    )
    visit.page.close()
    assert cut == []


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("width", "times"), [(1280, 8), (1280, 4000), (768, 4000), (375, 8)])
def test_no_amount_runs_into_what_stands_beside_it(browser, tmp_path, width, times, sign):
    """Every line goes the same way, so one side of the flow has only words to say."""
    lines = tuple(
        line.model_copy(
            update={
                "current": 1234.56 * times + i,
                "proposed": (1234.56 + sign * 308.64) * times + i,
                "exploration": 0.0,
            }
        )
        for i, line in enumerate(sample_plan().lines)
    )
    page = tmp_path / "large.html"
    html = render_report(sample_plan(lines=lines), ReportExtras(), sign_command="sign")
    page.write_text(html, encoding="utf-8")
    visit = Visit(browser, page, width=width)
    over = visit.page.evaluate(
        "[...document.querySelectorAll('.moves td, .flow .none')].filter(x => "
        "x.scrollWidth > x.clientWidth + 1 || x.scrollHeight > x.clientHeight + 1)"
        ".map(x => x.textContent)"
    )
    visit.page.close()
    assert over == []


@pytest.mark.parametrize("name", NAMES)
def test_no_table_of_a_desktop_page_has_to_be_scrolled(browser, folder, name):
    visit = Visit(browser, folder / f"{name}.html")
    hidden = visit.page.evaluate(
        "[...document.querySelectorAll('.scroll, .tree, table')].map(x => "
        "[x.className, x.scrollWidth - x.clientWidth]).filter(pair => pair[1] > 1)"
    )
    visit.page.close()
    assert hidden == []


@pytest.mark.parametrize(("width", "scheme"), [(375, "light"), (1280, "dark")])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "many"])
def test_axe_finds_no_barrier(browser, folder, name, width, scheme):
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None or package.origin is None:
        pytest.skip("needs the package axe-playwright-python")
    rules = Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(
        bypass_csp=True, viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page = context.new_page()
    page.goto((folder / f"{name}.html").as_uri())
    page.evaluate(rules)
    found = page.evaluate(
        # contrast is computed from the style sheet, for every colour and theme
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', "
        "'best-practice'], rules: {'color-contrast': {enabled: false}}})"
    )
    context.close()
    assert len(found["passes"]) > 20
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


def test_dark_and_light_differ_and_both_can_be_read(browser, folder):
    grounds = []
    for scheme in ("light", "dark"):
        visit = Visit(browser, folder / "plan.html", color_scheme=scheme)
        style = "getComputedStyle(document.body)"
        grounds.append(visit.page.evaluate(f"[{style}.backgroundColor, {style}.color]"))
        visit.page.close()
    (light_ground, light_ink), (dark_ground, dark_ink) = grounds
    assert light_ground != dark_ground
    assert light_ink != dark_ink


def test_names_of_strangers_run_nothing(browser, tmp_path):
    for number, text in enumerate(PAYLOADS[::61]):
        path = tmp_path / f"{number}.html"
        path.write_text(pages(text)[0], encoding="utf-8")
        visit = Visit(browser, path)
        visit.page.close()
        assert visit.trouble == [], text


def test_the_table_folds_and_filters_without_a_script(browser, folder):
    visit = Visit(browser, folder / "plan.html")
    table = visit.page.locator("#all-lines")
    assert table.locator("tr:visible", has_text="remarketing").count() == 1
    table.get_by_label("Only what changes").check()
    assert table.locator("tr:visible", has_text="remarketing").count() == 0
    assert table.locator("tr:visible", has_text="generic").count() == 1
    table.locator("summary", has_text="search").click()
    assert table.locator("tr:visible", has_text="generic").count() == 0
    visit.page.close()


def column(page: object, selector: str, at: int) -> list[str]:
    return page.eval_on_selector_all(
        f"{selector} tbody tr", f"rows => rows.map(row => row.cells[{at}].firstChild.textContent)"
    )


def test_a_table_is_sorted_by_what_its_figures_are_worth(browser, folder):
    visit = Visit(browser, folder / "plan.html")
    first = column(visit.page, ".list:first-child .moves", 2)
    head = visit.page.locator(".list:first-child th:nth-child(3) .sort")
    for way, state in ((-1, "descending"), (1, "ascending")):
        head.click()
        amounts = [
            float(a.replace(",", "")) for a in column(visit.page, ".list:first-child .moves", 2)
        ]
        assert amounts == sorted(amounts, key=lambda amount, way=way: way * amount)
        assert visit.page.locator(f".moves th[aria-sort={state}]").count() == 1
    head.click()
    assert column(visit.page, ".list:first-child .moves", 2) == first
    assert visit.trouble == []
    visit.page.close()


def test_the_hierarchy_is_sorted_at_every_level(browser, folder):
    visit = Visit(browser, folder / "plan.html")
    visit.page.locator(".heads").get_by_role("button", name="Change").click()
    names = visit.page.locator(".tree summary .name").all_text_contents()
    changes = [sum(x.proposed - x.current for x in sample_plan().lines if x.line["channel"] in name)
               for name in names]  # fmt: skip
    assert changes == sorted(changes, reverse=True)
    lines = visit.page.locator("details.node", has_text="competitor").locator("tbody th")
    assert lines.all_text_contents()[0].startswith("generic")
    visit.page.close()


def test_lines_are_found_by_any_words_of_their_path(browser, folder):
    visit = Visit(browser, folder / "many.html")
    visit.page.get_by_label("Find in the table").fill("channel_3 0123")
    assert visit.page.locator("#all-lines tbody tr:visible").count() == 1
    assert "1 of 300" in visit.page.locator(".filter").inner_text()
    visit.page.get_by_label("Find in the table").fill("")
    assert visit.page.locator("#all-lines tbody tr[hidden]").count() == 0
    visit.page.close()


def test_a_curve_is_read_by_pointer_and_by_keyboard(browser, folder):
    visit = Visit(browser, folder / "plan.html")
    curve = visit.page.locator("figure svg.curve").first
    curve.scroll_into_view_if_needed()
    place = curve.locator(".then").bounding_box()
    visit.page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    told = visit.page.locator(".tip").inner_text()
    line = next(item for item in sample_plan().lines if item.line["audience"] == "generic")
    spend = float(told.splitlines()[0].split()[1].replace(",", ""))
    earns = float(told.splitlines()[1].split()[1].replace(",", ""))
    assert abs(spend - line.proposed) < 0.02 * line.proposed
    assert abs(earns - line.expected.mean) < 0.02 * line.expected.mean
    visit.page.mouse.move(0, 0)
    assert not visit.page.locator(".tip").is_visible()
    curve.focus()
    visit.page.keyboard.press("ArrowRight")
    more = visit.page.locator(".tip").inner_text()
    visit.page.keyboard.press("ArrowRight")
    assert visit.page.locator(".tip").inner_text() != more
    visit.page.keyboard.press("Escape")
    assert not visit.page.locator(".tip").is_visible()
    assert visit.trouble == []
    visit.page.close()


def test_a_page_says_the_same_without_its_script(browser, folder):
    def words(*, allowed: bool) -> list[str]:
        context = browser.new_context(java_script_enabled=allowed)
        page = context.new_page()
        page.goto((folder / "plan.html").as_uri())
        text = page.locator("main").inner_text()
        context.close()
        return [word for word in text.split() if word not in {"Copy", "–", "+"}]

    assert words(allowed=False) == words(allowed=True)


def test_nights_are_filtered_without_a_script(browser, tmp_path):
    plan = sample_plan()
    nights = [
        Night(plan=plan, status=Status.PROPOSED),
        Night(plan=plan.model_copy(update={"plan_id": "b"}), status=Status.APPROVED),
    ]
    (tmp_path / "index.html").write_text(render_index("acme", nights), encoding="utf-8")
    visit = Visit(browser, tmp_path / "index.html")
    rows = visit.page.locator("tbody tr:visible")
    assert rows.count() == 2
    visit.page.get_by_label("Signed 1").check()
    assert rows.count() == 1
    visit.page.close()


def test_the_keyboard_reaches_the_content_first(browser, folder):
    visit = Visit(browser, folder / "plan.html")
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.textContent") == "To the content"
    visit.page.close()


def test_paper_shows_what_is_folded(browser, folder):
    visit = Visit(browser, folder / "many.html", media="print")
    hidden = visit.page.locator("#all-lines tr", has_text="audience_0299")
    assert hidden.count() == 1
    assert hidden.bounding_box()["height"] > 5
    visit.page.close()
