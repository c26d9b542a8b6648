"""A source may name a connection that only Airflow knows."""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import open_portfolio
from tests.dags.airflow_runs import DAY, load_dag, states

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
