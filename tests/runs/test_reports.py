from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.core.clock import fixed_clock
from pipeline.core.errors import DamagedError, NotAllowedError, NotFoundError
from pipeline.io.artefacts import begin_run, json_bytes, sha256
from pipeline.runs import reports, signoff
from pipeline.runs.portfolio import Portfolio, open_portfolio
from tests.io.reports.dom import parse
from tests.io.reports.samples import SIGN, sample_extras, sample_plan
from tests.runs.shop import DAY, Shop

CONFIG = """
portfolio: acme
currency: EUR
timezone: Europe/Berlin
line: [channel, audience]
budget: {daily: 10000}
caps:
  - {scope: {channel: search}, max: 4140}
people: {analysts: [ana], finance: [fin]}
sources: {spend: {path: spend.csv}, outcomes: {path: outcomes.csv}}
"""


def one_night(folder: Path, page: bytes | None = None) -> Portfolio:
    """Return a portfolio with one night behind it: plan proposed, page written.

    Args:
        page: what another version of the software wrote as the page.
    """
    (folder / "portfolio.yaml").write_text(CONFIG, encoding="utf-8")
    opened = open_portfolio(folder, fixed_clock(datetime(2026, 11, 22, 5, tzinfo=UTC)))
    ledger, plan = reports.ready_ledger(opened), sample_plan()
    run = begin_run(opened.runs, "night-1")
    reports.write_page(run, plan, sample_extras(plan), SIGN)
    if page is not None:
        run.write_bytes(reports.PAGE, page)
    run.complete(plan.plan_id)
    ledger.propose_plan(plan, opened.policy)
    return opened


@pytest.fixture
def portfolio(tmp_path: Path) -> Portfolio:
    return one_night(tmp_path)


def test_a_page_is_written_again_byte_for_byte(portfolio):
    page = portfolio.state / "runs" / sample_plan().plan_id / "report.html"
    before = page.read_bytes()
    page.unlink()
    written = reports.rewrite_page(portfolio, "latest")
    assert (written.path, written.is_same) == (page, True)
    assert page.read_bytes() == before


def test_a_page_that_somebody_edited_is_put_right(portfolio):
    page = portfolio.state / "runs" / sample_plan().plan_id / "report.html"
    before = page.read_bytes()
    page.write_bytes(before.replace(b"+380.00", b"+38.00"))
    assert reports.rewrite_page(portfolio, "2026-11-22").is_same
    assert page.read_bytes() == before


def test_a_page_of_another_version_never_replaces_the_one_that_was_signed(tmp_path):
    portfolio = one_night(tmp_path, page=b"<!doctype html>as an earlier version drew it")
    written = reports.rewrite_page(portfolio, "latest")
    assert not written.is_same
    assert written.path == portfolio.state / "pages" / f"{sample_plan().plan_id}.html"
    page = portfolio.state / "runs" / sample_plan().plan_id / "report.html"
    assert page.read_bytes() == b"<!doctype html>as an earlier version drew it"


def test_what_the_page_is_made_of_cannot_be_altered_unnoticed(portfolio):
    data = portfolio.state / "runs" / sample_plan().plan_id / "page.json"
    data.write_bytes(data.read_bytes().replace(b"Black Friday", b"Black Monday"))
    with pytest.raises(DamagedError, match=r"page\.json was altered"):
        reports.rewrite_page(portfolio, "latest")


def test_a_plan_that_does_not_exist_has_no_page(portfolio):
    with pytest.raises(NotFoundError):
        reports.rewrite_page(portfolio, "2020")


def test_the_index_links_to_the_pages_that_are_there(portfolio):
    path = reports.write_index(portfolio).path
    root = parse(path.read_text(encoding="utf-8"))
    (link,) = root.one("table").all("a")
    assert (path.parent / link.attributes["href"]).is_file()
    assert root.rows()[0][1] == "waiting"
    assert root.rows()[0][8:10] == ["not known", "not known"]


def test_the_cap_page_shows_what_waits(portfolio):
    path = reports.write_caps(portfolio).path
    root = parse(path.read_text(encoding="utf-8"))
    assert root.one("h1").text == "1 cap waits for finance"
    assert "asked by portfolio.yaml" in root.text


def test_a_night_under_a_pause_says_so_and_so_does_the_index(shop: Shop) -> None:
    shop.write()
    signoff.set_paused(shop.portfolio, "fin", "figures under review", paused=True)
    page = parse(shop.run(shop.night()).read_bytes("report.html").decode())
    assert "Publishing is paused." in page.one("header").text
    index = reports.index_page(shop.portfolio, lambda _: "")
    assert "Publishing is paused." in parse(index).one("header").text
    signoff.set_paused(shop.portfolio, "fin", "", paused=False)
    index = reports.index_page(shop.portfolio, lambda _: "")
    assert "paused" not in parse(index).text


def test_the_page_shows_lift_tests_that_are_not_over(shop: Shop) -> None:
    shop.write()
    ledger, policy = signoff.ready_ledger(shop.portfolio), shop.portfolio.policy
    actor = signoff.acting(shop.portfolio, "ana", "assign experiment", "a test", "")
    for name, first, last in (
        ("over", "2026-10-01", "2026-11-21"),
        ("now", "2026-11-20", "2026-12-01"),
        ("later", "2026-12-01", "2026-12-05"),
    ):
        said = {"from": first, "to": last, "treated": ["north"], "scope": {"channel": "tv"},
                "price": 1250.5}  # fmt: skip
        ledger.record_assignment(name, said, actor, policy)
    page = parse(shop.run(shop.night(DAY)).read_bytes("report.html").decode())
    rows = page.one("table", class_="caps tests").rows()
    assert rows == [
        ["now", "2026-11-20 to 2026-12-01", "tv", "running", "1,250.50 EUR"],
        ["later", "2026-12-01 to 2026-12-05", "tv", "to come", "1,250.50 EUR"],
    ]


def test_finance_sees_what_a_cap_would_change_by_solving_again(shop: Shop) -> None:
    from pipeline.core.policy import CapSpec

    shop.night()
    spec = CapSpec(scope={"channel": "search"}, max=150.0)
    cap = signoff.propose_cap(shop.portfolio, spec, "ana", "a tight month")
    page = parse(reports.caps_page(shop.portfolio))
    request = page.one("section", class_="request").text
    assert cap.impact
    assert cap.impact[1:].split(";")[0] in request
    assert "2 lines with" in request
    signoff.decide_cap(shop.portfolio, cap.id, "fin", approve=True, why="")
    (row,) = parse(reports.caps_page(shop.portfolio)).one("table", class_="caps sorts").rows()
    assert row[-1] == "fin, 2026-11-22"


def edit(path: Path, old: bytes, new: bytes) -> None:
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))


def test_an_edited_page_is_not_signed_until_it_is_written_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    plan = shop.night()
    page = shop.folder / ".equimarginal" / "runs" / plan.plan_id / "report.html"
    for change in (lambda: edit(page, b"EUR", b"USD"), page.unlink):
        change()
        with pytest.raises(NotAllowedError, match=f"'equimarginal report {plan.plan_id}'"):
            shop.approve()
        assert shop.statuses() == {plan.plan_id: "proposed"}
        reports.rewrite_page(shop.portfolio, "latest")
    assert shop.portfolio.ledger.audit_entries()[-1].action == "denied"
    assert shop.approve().record.is_published


@pytest.mark.parametrize("name", ["plan.json", "page.json", "manifest.json"])
def test_a_plan_whose_figures_were_edited_is_not_signed(tmp_path: Path, name: str) -> None:
    shop = Shop(tmp_path)
    plan = shop.night()
    run = shop.folder / ".equimarginal" / "runs" / plan.plan_id
    edit(run / name, b": ", b":  ")
    if name == "manifest.json":  # somebody who knows how it is kept
        edit(run / "plan.json", b'"currency": "EUR"', b'"currency": "USD"')
        manifest = json.loads((run / name).read_bytes())
        manifest["files"]["plan.json"] = sha256((run / "plan.json").read_bytes())
        (run / name).write_bytes(json_bytes(manifest))
    with pytest.raises(NotAllowedError, match=r"was altered|another plan than was proposed"):
        shop.approve()


def test_a_plan_whose_run_folder_is_elsewhere_can_still_be_signed(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    plan = shop.night()
    shutil.rmtree(shop.folder / ".equimarginal" / "runs" / plan.plan_id)
    assert shop.approve().record.is_published
