"""Our pages inside Airflow: behind its login, one plan at a time, and nothing beside the plans."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import pytest

from pipeline import open_portfolio, run_night
from tests.dags.airflow_runs import DAY, load_dag

pytestmark = pytest.mark.usefixtures("airflow_home")


@pytest.fixture(scope="module")
def client(airflow_home: Path) -> Any:
    """Airflow's own web application, with our plugin in it."""
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    return TestClient(create_app(), base_url="http://localhost")


@pytest.fixture
def login(client: Any) -> Callable[[str], dict[str, str]]:
    """Sign in as a person and return the header that proves it."""

    def sign_in(name: str) -> dict[str, str]:
        body = {"username": name, "password": f"{name}-secret"}
        answer = client.post("/auth/token", json=body)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    return sign_in


@pytest.fixture
def shop(make_portfolio: Callable[[str], Path]) -> Path:
    """A portfolio with one proposed plan."""
    folder = make_portfolio("shop")
    run_night(open_portfolio(folder), date.fromisoformat(DAY))
    return folder


def report(folder: Path) -> bytes:
    portfolio = open_portfolio(folder)
    plan_id = portfolio.ledger.plan_id("latest", "shop")
    return (Path(portfolio.runs) / plan_id / "report.html").read_bytes()


LATEST = "/equimarginal/latest"
PLANS, CAPS = "/equimarginal/plans", "/equimarginal/caps"
PLAN = "/equimarginal/dags/daily_reallocation__shop/plans/latest"


def test_nobody_reads_without_airflows_login(client: Any, shop: Path) -> None:
    run = "/equimarginal/run?dag_id=daily_reallocation__shop&run_id=x"
    for address in (LATEST, PLAN, PLANS, CAPS, PLAN.removesuffix("/latest"), run):
        answer = client.get(address)
        assert answer.status_code == 401
        assert report(shop)[:100] not in answer.content


def test_a_person_reads_the_report_as_it_was_written(
    client: Any, shop: Path, login: Callable[[str], dict[str, str]]
) -> None:
    header = login("guest")
    for address in (LATEST, PLAN):
        answer = client.get(address, headers=header)
        assert answer.status_code == 200
        assert answer.content == report(shop)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "sandbox" in policy
        assert "allow-same-origin" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_all_plans_and_caps_are_there_to_read_and_lead_to_each_plan(
    client: Any, shop: Path, login: Callable[[str], dict[str, str]]
) -> None:
    header = login("guest")
    portfolio = open_portfolio(shop)
    plan_id = portfolio.ledger.plan_id("latest", "shop")
    for address in (PLANS, PLAN.removesuffix("/latest")):
        answer = client.get(address, headers=header)
        assert answer.status_code == 200
        assert "sandbox" in answer.headers["content-security-policy"]
        (link,) = re.findall(r'<th scope="row"><a href="([^"]+)">', answer.text)
        page = client.get(urljoin(str(answer.url), link), headers=header)
        assert page.content == report(shop)
        assert plan_id in link
    caps = client.get(CAPS, headers=header)
    assert "No cap waits for finance" in caps.text
    assert caps.text == client.get(f"{PLAN.removesuffix('plans/latest')}caps", headers=header).text


def test_the_page_says_where_in_airflow_its_plan_is_signed(
    make_portfolio: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/")
    folder = make_portfolio("shop")
    run = load_dag("shop").test(run_conf={"day": DAY, "ask": False})
    place = f"/dags/daily_reallocation__shop/runs/{quote(run.run_id, safe='')}/tasks/sign_off"
    assert f'href="https://airflow.example{place}/required_actions"' in report(folder).decode()


def test_nothing_but_plans_can_be_named(
    client: Any, shop: Path, login: Callable[[str], dict[str, str]]
) -> None:
    base = "/equimarginal/dags/daily_reallocation__shop/plans/"
    up = "..%2f..%2f"
    names = [f"{up}{up}etc%2fpasswd", f"{up}ledger.sqlite", "%2e%2e%5c", ".work", "latest%00", "A"]
    header = login("ana")
    for name in [*names, "a" * 65, "2026-11-22-ffffffff"]:
        answer = client.get(base + name, headers=header)
        assert answer.status_code in {404, 422}, name
        assert not any(word in answer.content for word in (b"root:", b"SQLite format")), name


def test_an_altered_report_is_not_shown(
    client: Any, shop: Path, login: Callable[[str], dict[str, str]]
) -> None:
    portfolio = open_portfolio(shop)
    page = Path(portfolio.runs) / portfolio.ledger.plan_id("latest", "shop") / "report.html"
    page.write_bytes(page.read_bytes().replace(b"</html>", b"<p>more</p></html>"))
    answer = client.get(PLAN, headers=login("ana"))
    assert answer.status_code == 409
    assert "altered" in answer.text
    assert "<p>more</p>" not in answer.text


def test_a_plan_that_was_altered_in_the_ledger_is_not_shown_as_if_it_stood(
    client: Any, shop: Path, login: Callable[[str], dict[str, str]]
) -> None:
    record = open_portfolio(shop).ledger.plan("latest", "shop")
    proposed = json.dumps(record.plan.content()["lines"][0]["proposed"])
    with sqlite3.connect(shop / ".equimarginal" / "ledger.sqlite") as raw:
        raw.execute("drop trigger plan_is_fixed")
        change = "update plan set content = replace(content, ?, ?)"
        assert raw.execute(change, (proposed, f"9{proposed}")).rowcount == 1
    answer = client.get(PLAN, headers=login("ana"))
    assert answer.status_code == 409
    assert "This plan must not be signed" in answer.text
    assert "altered after it was stored" in answer.text


def test_a_dag_that_is_no_portfolio_has_no_plans(
    client: Any, shop: Path, login: Callable[[str], dict[str, str]]
) -> None:
    answer = client.get(PLAN.replace("shop", "other"), headers=login("ana"))
    assert answer.status_code == 404


def test_a_run_shows_the_plan_that_it_proposed(
    client: Any, shop: Path, login: Callable[[str], dict[str, str]]
) -> None:
    run = load_dag("shop").test(run_conf={"day": DAY, "ask": False})
    query = {"dag_id": "daily_reallocation__shop", "run_id": run.run_id}
    answer = client.get("/equimarginal/run", params=query, headers=login("ana"))
    assert answer.content == report(shop)
    query["run_id"] = "another"
    answer = client.get("/equimarginal/run", params=query, headers=login("ana"))
    assert "has not proposed a plan yet" in answer.text


def test_with_several_portfolios_the_latest_plans_are_there_to_choose_from(
    client: Any,
    make_portfolio: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    login: Callable[[str], dict[str, str]],
) -> None:
    folders = [make_portfolio(name) for name in ("east", "west")]
    monkeypatch.setenv("EQUIMARGINAL_PORTFOLIOS", ":".join(map(str, folders)))
    answer = client.get(LATEST, headers=login("ana"))
    assert 'href="dags/daily_reallocation__east/plans/latest"' in answer.text
    assert 'href="dags/daily_reallocation__west/plans/latest"' in answer.text


def test_airflow_offers_every_view(client: Any, login: Callable[[str], dict[str, str]]) -> None:
    answer = client.get("/api/v2/plugins", headers=login("ana"))
    if answer.status_code == 403:  # listing plugins may need more than a user's role
        from airflow.plugins_manager import get_plugin_info

        plugins = get_plugin_info()
    else:
        plugins = answer.json()["plugins"]
    (ours,) = [plugin for plugin in plugins if plugin["name"] == "equimarginal"]
    views = {view["name"]: view["destination"] for view in ours["external_views"]}
    assert views == {"Latest plan": "nav", "All plans": "nav", "Caps": "nav", "Plan": "dag_run"}
