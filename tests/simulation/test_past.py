from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.clock import fixed_clock
from pipeline.core.errors import DataNotTrustedError
from pipeline.core.types import BoolArray
from pipeline.runs.night import run_night
from pipeline.runs.portfolio import Portfolio, open_portfolio
from pipeline.simulation.example import write_example
from pipeline.simulation.past import own_past

TODAY = date(2026, 11, 22)
WEEK = date(2026, 10, 25)

Row = dict[str, str]
Change = Callable[[Row], None]


def on(today: date, folder: Path) -> Portfolio:
    """Open the portfolio on the morning of that day."""
    moment = datetime(today.year, today.month, today.day, 6, tzinfo=UTC)
    return open_portfolio(folder, fixed_clock(moment))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_example(tmp_path, days=110)
    return tmp_path


def alter(folder: Path, source: str, change: Change) -> None:
    """Write a source again, each row as `change` leaves it."""
    path = folder / "data" / f"{source}.csv"
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    names = head.split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines]
    for row in rows:
        change(row)
    written = [head, *(",".join(row[name] for name in names) for row in rows)]
    path.write_text("\n".join(written) + "\n", encoding="utf-8")


def silent(*days: str) -> Change:
    def change(row: Row) -> None:
        if not days or row["date"] in days:
            row["conversions"] = row["revenue"] = "0"

    return change


def hundredfold(day: str) -> Change:
    def change(row: Row) -> None:
        if row["date"] == day:
            row["spend"] = str(float(row["spend"]) * 100)

    return change


def trusted(folder: Path, day: date, *, from_day: date = TODAY) -> BoolArray:
    """Return which cells the morning of `day` may learn from, as seen from another day."""
    with own_past(on(TODAY, folder), from_day) as past:
        return past.on(day).history.trusted


@pytest.mark.parametrize(
    ("source", "change", "said"),
    [
        ("spend", hundredfold("2026-11-21"), "has spend .* on 2026-11-21"),
        ("outcomes", silent(), "revenue is never above zero"),
    ],
)
def test_data_that_a_night_refuses_are_refused(
    folder: Path, source: str, change: Change, said: str
) -> None:
    alter(folder, source, change)
    with (
        pytest.raises(DataNotTrustedError, match=f"night of 2026-11-22 would refuse .*{said}"),
        own_past(on(TODAY, folder), TODAY),
    ):
        pass


def test_the_time_before_a_fault_can_be_asked_for(folder: Path) -> None:
    before = trusted(folder, WEEK)
    alter(folder, "spend", hundredfold("2026-11-21"))
    assert np.array_equal(trusted(folder, WEEK, from_day=date(2026, 11, 21)), before)


def test_an_old_export_is_judged_on_the_morning_after_its_newest_day(folder: Path) -> None:
    late = date(2027, 3, 1)
    with own_past(on(late, folder), late) as past:
        assert past.history.days[-1] == TODAY - timedelta(days=1)


def test_what_later_days_show_is_hidden_from_an_earlier_morning(folder: Path) -> None:
    """One line goes silent: on its second day nobody knows yet, afterwards everybody does."""
    before = trusted(folder, date(2026, 10, 21))

    def change(row: Row) -> None:
        is_line = (row["channel"], row["audience"]) == ("affiliate", "partners")
        if is_line and "2026-10-20" <= row["date"] <= "2026-10-24":
            row["conversions"] = row["revenue"] = "0"

    alter(folder, "outcomes", change)
    assert np.array_equal(trusted(folder, date(2026, 10, 20)), before[:-1])
    assert not trusted(folder, WEEK)[-5:].all()
    with own_past(on(TODAY, folder), TODAY) as past:
        assert not past.history.trusted[past.history.days.index(date(2026, 10, 20))].all()


def test_a_morning_that_could_not_trust_its_data_is_told_apart(folder: Path) -> None:
    alter(folder, "outcomes", silent("2026-10-23", "2026-10-24"))
    with own_past(on(TODAY, folder), TODAY) as past:
        assert "all lines had almost no conversions" in past.on(WEEK).fault
        assert past.on(WEEK - timedelta(days=7)).fault == ""


@pytest.mark.parametrize(("days_late", "is_known"), [(0, True), (1, True), (2, False), (35, False)])
def test_only_a_night_that_ran_in_time_knew_what_was_known(
    folder: Path, days_late: int, is_known: bool
) -> None:
    ran = WEEK + timedelta(days=days_late)
    whole = {path: path.read_bytes() for path in (folder / "data").iterdir()}
    for path, data in whole.items():
        head, *rows = data.decode().splitlines(keepends=True)
        path.write_text("".join([head, *(row for row in rows if row < str(ran))]), encoding="utf-8")
    run_night(on(ran, folder), WEEK)
    for path, data in whole.items():
        path.write_bytes(data)
    with own_past(on(TODAY, folder), TODAY) as past:
        assert past.on(WEEK).as_known is is_known
