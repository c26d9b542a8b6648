"""A source may name a connection that only Airflow knows."""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import open_portfolio
from tests.dags.airflow_runs import DAY, ROOT, load_dag, states
from tests.io.feeds.platform import platform

pytestmark = pytest.mark.usefixtures("airflow_home")


def test_a_night_reads_through_a_connection_of_airflows_database(
    make_portfolio: Callable[[str], Path],
) -> None:
    from airflow.models import Connection
    from airflow.utils.session import create_session

    folder = make_portfolio("warehouse")
    load_table(folder / "data" / "spend.csv", folder / "shop.db")
    settings = folder / "portfolio.yaml"
    text = settings.read_text("utf-8")
    source = "{database: shop_db, table: spend}"
    settings.write_text(text.replace("{path: data/spend.csv}", source), "utf-8")
    with create_session() as session:
        session.add(Connection(conn_id="shop_db", conn_type="sqlite", schema="shop.db"))
    run = load_dag("warehouse").test(run_conf={"day": DAY, "ask": False})
    assert states(run)["report"] == "success"
    assert open_portfolio(folder).ledger.plan("latest").plan.mode == "optimised"
    assert states(load_dag("warehouse", "scoring__").test(run_conf={"day": DAY})) == {
        "score": "success"
    }
    assert "AIRFLOW_CONN_SHOP_DB" not in os.environ


def load_table(sheet: Path, database: Path) -> None:
    """Copy a CSV file into a table of its name."""
    with sheet.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    columns = ", ".join(f'"{name}" text' for name in header)
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(f"create table spend ({columns})")
        marks = ", ".join("?" for _ in header)
        connection.executemany(f"insert into spend values ({marks})", rows)
    connection.close()


def test_feeds_are_pulled_by_a_dag_of_their_own_through_airflows_connection(
    make_portfolio: Callable[[str], Path],
) -> None:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models import Connection
    from airflow.utils.session import create_session

    folder = make_portfolio("pulled")
    settings = folder / "portfolio.yaml"
    feed = "\nfeeds: {social: {platform: meta, connection: meta_ads, account: '7'}}\n"
    settings.write_text(settings.read_text("utf-8") + feed, "utf-8")
    row = {"date_start": "2026-11-21", "campaign_id": "c", "spend": "5.00", "clicks": "2"}
    with platform() as served, create_session() as session:
        served.says({"data": [row]})
        session.add(
            Connection(conn_id="meta_ads", conn_type="http", host=served.url, password="a-token")
        )
        session.commit()
        bag = DagBag(str(ROOT / "dags"), bundle_path=ROOT / "dags", bundle_name="dags-folder")
        run = bag.dags["source_pull__pulled"].test(run_conf={"day": DAY})
        assert served.asked[0].headers["authorization"] == "Bearer a-token"
    assert states(run) == {"pull": "success"}
    stored = (folder / "data/feeds/social/2026-11.csv").read_text("utf-8")
    assert "2026-11-21,meta,7,c," in stored
    assert "AIRFLOW_CONN_META_ADS" not in os.environ
