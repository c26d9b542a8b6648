from __future__ import annotations

import json
import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.core.findings import Finding, Level
from pipeline.core.policy import Policy
from pipeline.io.artefacts import RunFolder, begin_run
from pipeline.io.sources import read_snapshot
from pipeline.io.sources.files import MAX_BYTES
from pipeline.io.sources.snapshot import metrics_of


def read(policy: Policy, folder: Path, work: RunFolder) -> tuple[list[Finding], Any]:
    found = read_snapshot(policy, folder, work)
    return found, work.read_json("snapshot/sources.json")


def spend_rows(work: RunFolder) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = work.read_parquet("snapshot/spend.parquet").to_pylist()
    return rows


def refuse(tables: Any, work: RunFolder, data: bytes, name: str = "spend.csv") -> Finding:
    """Return the first finding for a spend file of these bytes."""
    tables.write()
    (tables.folder / "spend.csv").unlink()
    (tables.folder / name).write_bytes(data)
    policy = tables.policy(sources={"spend": {"path": name}, "outcomes": {"path": "outcomes.csv"}})
    found = read_snapshot(policy, tables.folder, work)
    assert found
    assert all(item.level is Level.FAIL for item in found)
    assert not work.exists("snapshot/spend.parquet")
    assert work.exists("snapshot/outcomes.parquet")
    assert name in found[0].message
    assert "\n" not in found[0].message
    return found[0]


HEADER = b"date,channel,audience,spend\n"


def test_a_good_pair_of_files_is_kept_as_text_with_row_numbers(
    tables: Any, work: RunFolder
) -> None:
    tables.write()
    found, record = read(tables.policy(), tables.folder, work)
    assert found == []
    rows = spend_rows(work)
    assert [row["row"] for row in rows] == list(range(2, 2 + len(tables.spend)))
    assert rows[0]["spend"] == str(tables.spend[0]["spend"])
    assert record["spend"]["files"][0]["name"] == "spend.csv"
    assert len(record["spend"]["files"][0]["sha256"]) == 64
    assert record["outcomes"]["metrics"] == ["conversions", "revenue"]


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n\x1f"), min_size=1)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=names)
def test_every_name_comes_back_byte_for_byte(tables: Any, tmp_path: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    text = f"date,channel,audience,spend\n2026-01-01,{quoted},007,1\n"
    (tables.folder / "spend.csv").write_bytes(text.encode())
    (tables.folder / "outcomes.csv").write_text("date,channel,audience,revenue\n2026-01-01,x,y,1\n")
    work = begin_run(str(tmp_path / "runs"), "names")
    assert read_snapshot(tables.policy(), tables.folder, work) == []
    row = spend_rows(work)[0]
    assert (row["line_1"], row["line_2"]) == (name, "007")


@pytest.mark.parametrize(
    "name", ["NA", "null", "nan", "no", "1:30", "=1+1", "<b>", "'; drop table"]
)
def test_nothing_about_a_name_is_guessed(tables: Any, work: RunFolder, name: str) -> None:
    for row in (*tables.spend, *tables.outcomes):
        row["channel"] = row["channel"].replace("search", name)
    tables.write()
    assert read_snapshot(tables.policy(), tables.folder, work) == []
    assert {row["line_1"] for row in spend_rows(work)} == {name, "social"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (HEADER, "no rows"),
        (HEADER + b"\n\n", "no rows"),
        (HEADER + b"2026-01-01,search,a1\n", "row 2: 3 cells, need 4"),
        (HEADER + b"2026-01-01,search,a1,1\n2026-01-01,search,a2,1,5\n", "row 3: 5 cells, need 4"),
        (HEADER + b"2026-01-01,search,a1,1\n2026-01-01,sea", "row 3: 2 cells"),
        (HEADER + b'2026-01-01,search,a1,"1\n2026-01-01,x,y,2\n', "never closed"),
        (HEADER + b"2026-01-01,search,a1,1\x00\n", "zero bytes"),
        (HEADER + b"2026-01-01,s\xe9arch,a1,1\n", "row 2: not UTF-8"),
        (b"date;channel;audience;spend\n2026-01-01;a;b;1\n", "semicolons"),
        (b"date,channel,spend,spend\n2026-01-01,a,1,2\n", "'spend' more than once"),
        (b"2026-01-01,a,b,1\n2026-01-02,a,b,1\n", "no column 'date'"),
        (b"date,channel,audience,Spend\n2026-01-01,a,b,1\n", "no column 'spend'"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"\x1f\x8brest", "gzip"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b'{"a": 1}', "JSON"),
        (b"\xff\xfed\x00a\x00", "UTF-16"),
        (HEADER + b"2026-01-01,a,b," + b"9" * 20_000 + b"\n", "row 2: column 'spend' has a cell"),
        (b",".join(b"c%d" % i for i in range(600)) + b"\n1\n", "at most 500"),
        (b"x" * 200_000, "need a header"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name(
    tables: Any, work: RunFolder, data: bytes, said: str
) -> None:
    assert said in refuse(tables, work, data).message


def test_every_truncated_file_is_refused_or_misses_whole_rows_only(
    tables: Any, tmp_path: Path
) -> None:
    tables.write()
    data = (tables.folder / "spend.csv").read_bytes()
    lines = data.splitlines()
    for cut in range(len(lines[0]) + 1, 900, 7):
        (tables.folder / "spend.csv").write_bytes(data[:cut])
        work = begin_run(str(tmp_path / "cut"), "cut")
        found, record = read(tables.policy(), tables.folder, work)
        if found:
            continue
        kept = spend_rows(work)
        assert len(kept) <= data[:cut].count(b"\n")
        ends_open = record["spend"]["ends_open"] == ["spend.csv"]
        assert ends_open == (not data[:cut].endswith(b"\n"))


def test_a_near_miss_in_the_header_is_suggested(tables: Any, work: RunFolder) -> None:
    finding = refuse(tables, work, b"date,channel,audience,SPEND\n2026-01-01,a,b,1\n")
    assert "{spend: SPEND}" in finding.advice
    assert finding.column == "spend"


def test_all_problems_are_told_at_once(tables: Any, work: RunFolder) -> None:
    (tables.folder / "spend.csv").write_bytes(b"day,channel\n1,2\n")
    found = read_snapshot(tables.policy(), tables.folder, work)
    assert {item.column for item in found if item.source == "spend"} == {
        "date",
        "audience",
        "spend",
    }
    assert any("outcomes.csv: no such file" in item.message for item in found)


def test_columns_are_mapped_and_the_same_file_serves_both(tables: Any, work: RunFolder) -> None:
    (tables.folder / "all.csv").write_text(
        "tag,kanal,zielgruppe,kosten,umsatz\n2026-01-01,search,a1,10,99\n"
    )
    columns = {
        "date": "tag",
        "channel": "kanal",
        "audience": "zielgruppe",
        "spend": "kosten",
        "revenue": "umsatz",
    }
    source = {"path": "all.csv", "columns": columns}
    policy = tables.policy(sources={"spend": source, "outcomes": source})
    assert read_snapshot(policy, tables.folder, work) == []
    outcomes = work.read_parquet("snapshot/outcomes.parquet").to_pylist()
    assert [(row["metric"], row["value"]) for row in outcomes] == [("revenue", "99")]


def test_the_metrics_that_a_policy_needs_are_read(tables: Any) -> None:
    policy = tables.policy(
        objective={"maximize": "signups"},
        guardrails=[
            {"metric": "cost_per_conversion", "max": 40},
            {"metric": "roas", "min": 1.5},
            {"metric": "refunds", "max": 10},
            {"metric": "cost_per_lead", "max": 9},
        ],
    )
    assert metrics_of(policy) == ["conversions", "lead", "refunds", "revenue", "signups"]


def test_a_glob_reads_every_file_once(tables: Any, work: RunFolder) -> None:
    tables.write()
    (tables.folder / "parts").mkdir()
    half = len(tables.spend) // 2
    for name, rows in (("b", tables.spend[half:]), ("a", tables.spend[:half])):
        tables.spend = rows
        tables.write()
        (tables.folder / "spend.csv").rename(tables.folder / "parts" / f"{name}.csv")
    (tables.folder / "parts" / ".hidden.csv").write_text("junk")
    sources = {"spend": {"path": "parts/*.csv"}, "outcomes": {"path": "outcomes.csv"}}
    found, record = read(tables.policy(sources=sources), tables.folder, work)
    assert found == []
    assert [file["name"] for file in record["spend"]["files"]] == ["parts/a.csv", "parts/b.csv"]
    assert record["spend"]["rows"] == 2 * half
    (tables.folder / "parts" / "copy.csv").write_bytes(
        (tables.folder / "parts" / "a.csv").read_bytes()
    )
    found = read_snapshot(tables.policy(sources=sources), tables.folder, work)
    assert "same bytes as parts/a.csv" in found[0].message


def test_typed_parquet_reads_as_the_same_texts(tables: Any, work: RunFolder) -> None:
    tables.write()
    table = pa.table(
        {
            "date": pa.array([date(2026, 1, 1), date(2026, 1, 2)]),
            "channel": pa.array(["NA", "007"]).dictionary_encode(),
            "audience": ["a", "b"],
            "spend": pa.array([1.1, 1e-7]),
            "budget": pa.array([None, 3.0]),
            "clicks": pa.array([5, 6], pa.int32()),
        }
    )
    pq.write_table(table, tables.folder / "spend.parquet")
    sources = {"spend": {"path": "spend.parquet"}, "outcomes": {"path": "outcomes.csv"}}
    assert read_snapshot(tables.policy(sources=sources), tables.folder, work) == []
    first, second = spend_rows(work)
    assert (first["day"], first["line_1"], first["spend"]) == ("2026-01-01", "NA", "1.1")
    assert (first["budget"], second["clicks"]) == ("", "6")
    assert float(second["spend"]) == 1e-7


def test_a_damaged_or_nested_parquet_file_is_refused(tables: Any, work: RunFolder) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"date": ["2026-01-01"] * 50, "spend": range(50)}), sink)
    good = bytes(sink.getvalue())
    assert "whole parquet" in refuse(tables, work, good[:-9], "s.parquet").message
    assert "whole parquet" in refuse(tables, work, good[:40], "s.parquet").message
    assert "whole parquet" in refuse(tables, work, b"not parquet", "s.parquet").message
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"date": [["2026-01-01"]]}), sink)
    assert "need text" in refuse(tables, work, bytes(sink.getvalue()), "s.parquet").message


def test_a_bomb_is_refused_before_it_is_unpacked(tables: Any, work: RunFolder) -> None:
    path = tables.folder / "spend.csv"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # a file with a hole: it takes no room here
    found = read_snapshot(tables.policy(), tables.folder, work)
    assert f"{MAX_BYTES + 1} bytes, at most {MAX_BYTES}" in found[0].message
    path.unlink()
    sink = pa.BufferOutputStream()
    zeros = pa.repeat(pa.scalar(1.5), 40_000_000)
    pq.write_table(pa.table({"spend": zeros}), sink, use_dictionary=False, compression="zstd")
    bomb = bytes(sink.getvalue())
    assert len(bomb) < 1_000_000
    assert "unpacks to 40000000 rows" in refuse(tables, work, bomb, "s.parquet").message


def test_an_object_store_is_read_by_url(tables: Any, work: RunFolder) -> None:
    tables.write()
    store = fsspec.filesystem("memory")
    store.pipe_file("/bucket/spend.csv", (tables.folder / "spend.csv").read_bytes())
    sources = {
        "spend": {"path": "memory://bucket/*.csv"},
        "outcomes": {"path": f"file://{tables.folder}/outcomes.csv"},
    }
    assert read_snapshot(tables.policy(sources=sources), tables.folder, work) == []
    assert len(spend_rows(work)) == len(tables.spend)
    sources["spend"] = {"path": "memory://bucket/none.csv"}
    found = read_snapshot(tables.policy(sources=sources), tables.folder, work)
    assert "no such file" in found[0].message


def database(tables: Any) -> Path:
    path: Path = tables.folder / "ads.sqlite"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("create table spend (date, channel, audience, spend, clicks)")
        connection.executemany(
            "insert into spend values (?, ?, ?, ?, ?)",
            [
                (row["date"], row["channel"], row["audience"], row["spend"], None)
                for row in reversed(tables.spend)
            ],
        )
    return path


@pytest.mark.parametrize("how", ["table", "query", "connection", "json-connection"])
def test_a_database_is_read_by_url_or_airflow_connection(
    tables: Any, work: RunFolder, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    tables.write()
    path = database(tables)
    monkeypatch.setenv("AIRFLOW_CONN_ADS", f"sqlite:///{path}")
    if how == "json-connection":
        spec = {"conn_type": "sqlite", "host": str(path)}
        monkeypatch.setenv("AIRFLOW_CONN_ADS", json.dumps(spec))
    where = "ads" if "connection" in how else "sqlite:///ads.sqlite"
    what = {"table": "spend"} if how == "table" else {"query": "select * from spend"}
    sources = {"spend": {"database": where, **what}, "outcomes": {"path": "outcomes.csv"}}
    assert read_snapshot(tables.policy(sources=sources), tables.folder, work) == []
    rows = spend_rows(work)
    assert len(rows) == len(tables.spend)
    assert {row["clicks"] for row in rows} == {""}
    assert {row["spend"] for row in rows} == {str(row["spend"]) for row in tables.spend}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"database": "sqlite:///none.sqlite", "table": "spend"}, "no such file"),
        ({"database": "sqlite:///ads.sqlite", "table": "nothing"}, "nothing"),
        ({"database": "sqlite:///ads.sqlite", "query": "selec 1"}, "syntax error"),
        ({"database": "sqlite:///ads.sqlite", "query": "delete from spend"}, "cannot be read"),
        ({"database": "sqlite:///ads.sqlite", "query": "select * from spend limit 0"}, "no rows"),
        ({"database": "unknown_id", "table": "spend"}, "no such connection"),
        ({"database": "nonsense://x", "table": "spend"}, "no driver"),
        (
            {"database": "shut", "table": "t"},
            "cannot be read",
        ),
    ],
)
def test_a_database_that_cannot_be_read_is_one_finding_without_secrets(
    tables: Any,
    work: RunFolder,
    source: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables.write()
    monkeypatch.setenv(
        "AIRFLOW_CONN_SHUT", "postgresql://u:s3cret@127.0.0.1:1/db?connect_timeout=1"
    )
    path = database(tables)
    before = path.read_bytes()
    sources = {"spend": source, "outcomes": {"path": "outcomes.csv"}}
    found = read_snapshot(tables.policy(sources=sources), tables.folder, work)
    assert len(found) == 1
    assert said in found[0].message
    assert "s3cret" not in found[0].model_dump_json()
    assert path.read_bytes() == before
    assert not (tables.folder / "none.sqlite").exists()
