"""Large sources counted row by row: every form of them says the same, and no key is kept."""

from __future__ import annotations

import csv
import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.sources import Source
from pipeline.io.sources.files import SourceError
from pipeline.io.sources.stream import Counted, count_rows, read_people

ROWS = [
    ("2026-01-01", "a", "x", "1", "p1"),
    ("2026-01-01", "a", "x", "1", "p2"),
    ("2026-01-01", "a", "x", "0", "p1"),
    ("2026-01-02", "b", 'y "quoted", with comma', "0", "p3"),
]
NAMES = ("date", "audience", "creative", "clicks", "person")


def read(source: Source, base: Path, withdrawn: frozenset[str] = frozenset()) -> Counted:
    return count_rows(
        source,
        base,
        needed=("date", "audience", "creative"),
        optional=("clicks",),
        person="person",
        withdrawn=withdrawn,
    )


def csv_text(rows: list[tuple[str, ...]], names: tuple[str, ...] = NAMES) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows(rows)
    return out.getvalue()


def counted(found: Counted) -> list[tuple[object, ...]]:
    rows = found.table.drop_columns(["source_file", "source_row"]).to_pylist()
    return [tuple(row.values()) for row in rows]


EXPECTED = [
    ("2026-01-01", "a", "x", "0", 1),
    ("2026-01-01", "a", "x", "1", 2),
    ("2026-01-02", "b", 'y "quoted", with comma', "0", 1),
]


def test_csv_parquet_globs_and_databases_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(csv_text(ROWS), encoding="utf-8")
    for part in range(2):
        text = csv_text(ROWS[part * 2 : part * 2 + 2])
        (tmp_path / f"part-{part}.csv").write_text(text, encoding="utf-8-sig")
    columns = {name: [row[i] for row in ROWS] for i, name in enumerate(NAMES)}
    typed = pa.table({**columns, "clicks": pa.array([int(c) for c in columns["clicks"]])})
    pq.write_table(typed, tmp_path / "all.parquet")
    with closing(sqlite3.connect(tmp_path / "db.sqlite")) as raw, raw:
        raw.execute("create table shown (date, audience, creative, clicks, person)")
        raw.executemany("insert into shown values (?, ?, ?, ?, ?)", ROWS)
    for source in (
        Source(path="all.csv"),
        Source(path=str(tmp_path / "all.csv")),
        Source(path="part-*.csv"),
        Source(path=(tmp_path / "all.csv").as_uri()),
        Source(path="all.parquet"),
        Source(database="sqlite:///db.sqlite", table="shown"),
    ):
        found = read(source, tmp_path)
        assert counted(found) == EXPECTED
        assert (found.rows, found.withdrawn) == (4, 0)
        assert "person" not in found.table.column_names


def test_the_first_row_of_its_kind_is_named(tmp_path: Path) -> None:
    for part in range(2):
        text = csv_text(ROWS[part * 2 : part * 2 + 2])
        (tmp_path / f"part's-{part}.csv").write_text(text, encoding="utf-8")
    found = read(Source(path="part's-*.csv"), tmp_path, frozenset({"p1"}))
    places = [(r["clicks"], r["source_file"], r["source_row"]) for r in found.table.to_pylist()]
    assert places == [("1", "part's-0.csv", 3), ("0", "part's-1.csv", 3)]


def test_columns_are_mapped_and_a_day_may_be_a_date(tmp_path: Path) -> None:
    from datetime import date

    table = pa.table({"day": [date(2026, 1, 1)], "who": ["a"], "ad": ["x"]})
    pq.write_table(table, tmp_path / "t.parquet")
    mapping = {"date": "day", "audience": "who", "creative": "ad"}
    found = read(Source(path="t.parquet", columns=mapping), tmp_path)
    assert counted(found) == [("2026-01-01", "a", "x", "", 1)]
    assert found.columns == ("date", "audience", "creative")


def test_those_who_withdrew_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(csv_text(ROWS), encoding="utf-8")
    (tmp_path / "gone.csv").write_text("person\np1\n\np9\n", encoding="utf-8")
    gone = read_people(Source(path="gone.csv"), tmp_path)
    assert gone == {"p1", "p9"}
    found = read(Source(path="all.csv"), tmp_path, gone)
    assert (found.rows, found.withdrawn) == (4, 2)
    assert sum(row[-1] for row in counted(found)) == 2  # type: ignore[misc]


def test_a_withdrawal_with_blanks_around_its_key_counts(tmp_path: Path) -> None:
    (tmp_path / "gone.csv").write_bytes(b"\xef\xbb\xbfperson\r\n p1 \r\np2\t\r\n")
    assert {"p1", "p2"} <= read_people(Source(path="gone.csv"), tmp_path)


@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(
        st.tuples(*[st.text("ab,\"' \u00e9;", max_size=4)] * 5).filter(any),
        min_size=1,
        max_size=30,
    )
)
def test_nothing_is_lost_or_made_up(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    folder = tmp_path_factory.mktemp("rows")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(NAMES)}
    pq.write_table(pa.table(columns), folder / "t.parquet")
    found = counted(read(Source(path="t.parquet"), folder))
    expected: dict[tuple[str, ...], int] = {}
    for row in rows:
        expected[row[:4]] = expected.get(row[:4], 0) + 1
    assert {row[:4]: row[4] for row in found} == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PAR1 but not parquet", "cannot be read"),
        (b"", "names no columns"),
        (b"date,audience\n1,2\n", "has no column creative"),
        (b"date,audience,creative\n\xff\xfe,1,2\n", "line 2 holds bytes that are not UTF-8"),
        (b"date,audience,creative\n1,2,3,4\n", "row 2 has 4 cells, the heading has 3"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(SourceError, match=words):
        read(Source(path="t.csv"), tmp_path)


def test_no_file_is_said(tmp_path: Path) -> None:
    for path in ("none.csv", "none-*.parquet", "/nowhere/none.csv"):
        with pytest.raises(SourceError, match="no such file"):
            read(Source(path=path), tmp_path)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (b"2026-01-01,a,b,c,alice@example.com\n", "row 400002 has 5 cells, the heading has 4"),
        (b"2026-01-01,a,b,\xff\n", "line 400002 holds bytes that are not UTF-8"),
    ],
)
def test_a_broken_row_far_down_is_named_and_never_quoted(
    tmp_path: Path, row: bytes, words: str
) -> None:
    text = b"date,audience,creative,person\n" + b"2026-01-01,a,b,ccccccc\n" * 400_000
    (tmp_path / "large.csv").write_bytes(text + row)
    with pytest.raises(SourceError, match=words) as caught:
        read(Source(path="large.csv"), tmp_path)
    assert "alice" not in str(caught.value)
