"""Every file under sql/ meets its cases: inputs as CSV, params.json, and what must come out."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.core.policy import parse_policy
from pipeline.io import engine, warehouse
from pipeline.io.artefacts import begin_run
from pipeline.io.assets import asset_folder
from pipeline.io.contacts import TEXTS, staged_contacts
from pipeline.io.exposures import HOLDOUT, NUMBERS, staged_exposures
from pipeline.io.exposures import KEYS as KEYS_SHOWN
from pipeline.io.marts import create_marts

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/*/params.json"))
COLUMNS = {
    "spend": ("spend", "budget", "currency", "impressions", "clicks"),
    "outcomes": ("currency", "metric", "value"),
    "experiments": (
        "from", "to", "lift", "standard_error", "spend_change", "name", "metric", "currency",
    ),
}  # fmt: skip
KEYS = ("day", "line_1", "line_2", "line_3", "line_4", "dimensions")


def snapshot(case: Path, source: str) -> pa.Table:
    path = case / f"{source}.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8")))) if path.exists() else []
    texts = {
        name: pa.array([row.get(name, "") for row in rows], pa.string())
        for name in (*KEYS, *COLUMNS[source])
    }
    return pa.table(
        {
            **texts,
            "file": pa.array([f"{source}.csv"] * len(rows), pa.string()),
            "row": pa.array([int(row["row"]) for row in rows], pa.int64()),
            "is_repeat": pa.array([row.get("is_repeat") == "true" for row in rows], pa.bool_()),
        }
    )


def result(case: Path, folder: Path) -> str:
    params: dict[str, Any] = json.loads((case / "params.json").read_text())
    table = case.parent.name
    if (case / "exposures.csv").exists():
        return exposure_result(case, table, params)
    if "night" in params:
        return offer_result(case, table, params)
    if (case / "contacts.csv").exists():
        return contact_result(case, table, params)
    work = begin_run(str(folder), "case")
    for source in COLUMNS:
        work.write_parquet(f"snapshot/{source}.parquet", snapshot(case, source))
    policy = parse_policy(
        {
            "portfolio": "case",
            "currency": params.get("currency", "EUR"),
            "line": [f"level{index}" for index in range(params["levels"])],
            "budget": {"daily": 1},
            "sources": {
                "spend": {"path": "x"},
                "outcomes": {"path": "y", **params.get("outcomes", {})},
                "period": params.get("period", "day"),
            },
        },
        "case",
    )
    day = date.fromisoformat(params["day"])
    today = date.fromisoformat(params.get("today", params["day"]))
    with warehouse.staged(work, policy, day, today) as connection:
        create_marts(connection)
        is_check = (asset_folder("sql") / "checks" / f"{table}.sql").exists()
        select = engine.sql_text("checks", table) if is_check else f"from {table}"
        cursor = connection.execute(f"select {params.get('select', '*')} from ({select})")
        names = [column[0] for column in cursor.description or []]
        rows = cursor.fetchall()
    return written(names, rows)


def places(source: str, rows: int) -> dict[str, pa.Array]:
    """Return where the rows of a case stand in its file, whose heading is the first row."""
    return {
        "source_file": pa.array([f"{source}.csv"] * rows, pa.string()),
        "source_row": pa.array(range(2, rows + 2), pa.int64()),
    }


def exposure_result(case: Path, table: str, params: dict[str, Any]) -> str:
    rows = list(csv.DictReader(io.StringIO((case / "exposures.csv").read_text("utf-8"))))
    names = (*KEYS_SHOWN, *NUMBERS, HOLDOUT)
    texts = {name: pa.array([row.get(name, "") for row in rows]) for name in names}
    flags = {
        **places("exposures", len(rows)),
        "copies": pa.array([int(row["copies"]) for row in rows]),
        "has_impressions": pa.array([params["has_impressions"]] * len(rows)),
    }
    day = date.fromisoformat(params["day"])
    with staged_exposures(pa.table({**texts, **flags}), day, day, "case") as connection:
        place = "staging" if table.startswith("stg_") else "marts"
        select = f"select {params.get('select', '*')} from ({engine.sql_text(place, table)})"
        cursor = connection.execute(select)
        return written([c[0] for c in cursor.description or []], cursor.fetchall())


def contact_result(case: Path, table: str, params: dict[str, Any]) -> str:
    rows = list(csv.DictReader(io.StringIO((case / "contacts.csv").read_text("utf-8"))))
    texts = {name: pa.array([row.get(name, "") for row in rows], pa.string()) for name in TEXTS}
    flags = {
        **places("contacts", len(rows)),
        "copies": pa.array([int(row["copies"]) for row in rows]),
        "has_persons": pa.array([params["has_persons"]] * len(rows)),
    }
    day = date.fromisoformat(params["day"])
    with staged_contacts(pa.table({**texts, **flags}), 1, day, day, "case") as connection:
        is_table = table in {"stg_contacts", "segment_day"}
        source = f"from {table}" if is_table else engine.sql_text("marts", table)
        cursor = connection.execute(f"select {params.get('select', '*')} from ({source})")
        return written([c[0] for c in cursor.description or []], cursor.fetchall())


OFFER_TABLES = {
    "decisions": "date, person, segment, action, propensity, reward, eligible, holdout, consent",
    "withdrawn": "person",
    "rewarded": "person, day::date as day, reward::double as reward",
    "rewards": "date, person, reward",
    "customers": "person, segment, consent",
    "contacts": "person, date, action, touches",
    "decided_twice": "person, date",
    "odd_chance": "day::date as day, segment, eligible, total::double as total",
    "offer_share": "segment, allowed, action, low::int as low, units::int as units",
}
OFFER_STEPS = {
    "decision_cell": ("stg_decisions",),
    "odd_chance": ("decision_chance",),
    "person_action": ("stg_customers", "stg_touches"),
    "customer_context": ("stg_customers", "stg_touches", "person_action"),
    "offer_draw": ("stg_customers", "stg_touches", "person_action"),
}


def offer_result(case: Path, table: str, params: dict[str, Any]) -> str:
    """Return what a query of offers gives: every input is a table, made of texts."""
    with engine.engine("case", advice="") as connection:
        engine.add_macros(connection)
        for name, columns in OFFER_TABLES.items():
            path = case / f"{name}.csv"
            if name in (*OFFER_STEPS.get(table, ()), table):
                continue
            rows = list(csv.DictReader(io.StringIO(path.read_text()))) if path.exists() else []
            names = [column.split("::")[0] for column in columns.split(", ")]
            texts = {n: pa.array([row.get(n, "") for row in rows], pa.string()) for n in names}
            texts |= places(name, len(rows))
            connection.register("texts", pa.table(texts))
            connection.execute(
                f"create table {name} as select {columns}, source_file, source_row from texts"
            )
        connection.execute("alter table decided_twice add column key ubigint")
        connection.execute("update decided_twice set key = hash(person, date::date)")
        values = ", ".join(f"{value} as {name}" for name, value in params["night"].items())
        connection.execute(f"create table night as select {values}")
        actions = params.get("actions", [])
        connection.execute(
            "create table offer_action (place int, action text, channel text, is_nothing boolean, "
            "only_in text[], not_in text[], cool_down_days double)"
        )
        for place, row in enumerate(actions):
            connection.execute("insert into offer_action values (?,?,?,?,?,?,?)", (place, *row))
        steps = (*OFFER_STEPS.get(table, ()), table)
        for name in steps:
            place_of = "staging" if name.startswith("stg_") else "marts"
            engine.create(connection, name, engine.sql_text(place_of, name))
        cursor = connection.execute(
            f"select {params.get('select', '*')} from {table} order by {params['order']}"
        )
        return written([c[0] for c in cursor.description or []], cursor.fetchall())


def written(names: list[str], rows: list[Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_case_comes_out_as_expected(case: Path, tmp_path: Path) -> None:
    assert result(case, tmp_path) == (case / "expect.csv").read_text("utf-8")


def test_every_file_has_a_header_and_a_case() -> None:
    tried = {case.parent.name for case in CASES}
    files = [path for path in asset_folder("sql").rglob("*.sql") if path.parent.name != "macros"]
    assert len(files) > 10
    for path in files:
        assert path.read_text().startswith(f"-- {path.stem}: ")
        assert "Reads: " in path.read_text()
        assert path.stem in tried


def test_every_check_says_how_bad_it_is_and_what_to_do() -> None:
    from pipeline.io.checks import load_checks

    for check in load_checks():
        assert "Level: " in check.select
        assert len(check.advice) > 10
