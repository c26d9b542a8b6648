from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipeline.io.feeds import PlatformError, Window, store_rows

COLUMNS = ("date", "campaign", "spend")


def window(first: str, last: str) -> Window:
    return Window(first=date.fromisoformat(first), last=date.fromisoformat(last))


def row(day: str, campaign: str = "a", spend: str = "1") -> dict[str, str]:
    return {"date": day, "campaign": campaign, "spend": spend}


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_rows_go_into_a_file_per_month_in_order(tmp_path: Path) -> None:
    rows = [row("2026-12-01"), row("2026-11-30", "b"), row("2026-11-30", "a, quoted")]
    stored = store_rows(tmp_path, COLUMNS, rows, window("2026-11-30", "2026-12-01"))
    assert stored.rows == 3
    assert [path.name for path in stored.files] == ["2026-11.csv", "2026-12.csv"]
    assert lines(stored.files[0]) == [
        "date,campaign,spend",
        '2026-11-30,"a, quoted",1',
        "2026-11-30,b,1",
    ]


def test_days_that_are_fetched_again_replace_themselves_and_nothing_else(tmp_path: Path) -> None:
    first = [row(f"2026-11-{day:02}", spend=str(day)) for day in range(1, 11)]
    store_rows(tmp_path, COLUMNS, first, window("2026-11-01", "2026-11-10"))
    again = [row("2026-11-10", spend="99"), row("2026-11-11", spend="11")]
    store_rows(tmp_path, COLUMNS, again, window("2026-11-09", "2026-11-11"))
    kept = lines(tmp_path / "2026-11.csv")[1:]
    assert kept == [
        *(f"2026-11-{day:02},a,{day}" for day in range(1, 9)),
        "2026-11-10,a,99",
        "2026-11-11,a,11",
    ]


def test_the_same_answer_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = [row("2026-11-02"), row("2026-11-01")]
    days = window("2026-11-01", "2026-11-02")
    store_rows(tmp_path / "one", COLUMNS, rows, days)
    for order in (rows, rows[::-1]):
        store_rows(tmp_path / "two", COLUMNS, order, days)
    one, two = (tmp_path / name / "2026-11.csv" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_an_empty_answer_does_not_wipe_what_is_known(tmp_path: Path) -> None:
    days = window("2026-11-01", "2026-11-02")
    store_rows(tmp_path, COLUMNS, [row("2026-11-01")], days)
    before = (tmp_path / "2026-11.csv").read_bytes()
    with pytest.raises(PlatformError, match="nothing was replaced"):
        store_rows(tmp_path, COLUMNS, [], days)
    assert (tmp_path / "2026-11.csv").read_bytes() == before


def test_an_account_without_activity_yet_leaves_no_file(tmp_path: Path) -> None:
    stored = store_rows(tmp_path / "new", COLUMNS, [], window("2026-11-01", "2026-11-02"))
    assert stored.files == ()
    assert not (tmp_path / "new").exists()


def test_a_day_that_was_not_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="2026-11-03, which was not asked for"):
        store_rows(tmp_path, COLUMNS, [row("2026-11-03")], window("2026-11-01", "2026-11-02"))


def test_a_file_of_other_columns_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "2026-11.csv").write_text("mine\n1\n", encoding="utf-8")
    with pytest.raises(PlatformError, match="other columns"):
        store_rows(tmp_path, COLUMNS, [row("2026-11-01")], window("2026-11-01", "2026-11-02"))
    assert lines(tmp_path / "2026-11.csv") == ["mine", "1"]
