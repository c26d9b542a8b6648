"""A table of outcomes as a panel, and every way in which it is none."""

from __future__ import annotations

import pytest

from pipeline.core.errors import UsageError
from pipeline.io.panel import read_panel

GOOD = "region,date,outcome\na,2026-01-01,1\nb,2026-01-01,2\na,2026-01-02,3\nb,2026-01-02,4\n"


def read(tmp_path, text):
    path = tmp_path / "panel.csv"
    path.write_text(text, encoding="utf-8")
    return read_panel(str(path), unit="region", day="date", outcome="outcome")


def test_rows_become_days_by_units_in_any_order(tmp_path):
    panel = read(tmp_path, GOOD)
    head, *rows = GOOD.splitlines()
    assert panel.outcome.tolist() == [[1, 2], [3, 4]]
    assert panel.units == ("a", "b")
    turned = read(tmp_path, "\n".join([head, *reversed(rows)]) + "\n")
    assert turned.outcome.tolist() == panel.outcome.tolist()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("outcome\n", "sales\n", "no column 'outcome', only region, date, sales"),
        ("a,2026-01-02,3", "a,2026-01-02,x", "row 4: got 'x', need a number"),
        ("a,2026-01-02,3", "a,2026-01-02,inf", "row 4: got 'inf', need a number"),
        ("a,2026-01-02,3", "a,2026-01-02,-3", "row 4: got '-3', need a number"),
        ("a,2026-01-02,3", "a,02.01.2026,3", "row 4: got '02.01.2026', need an ISO date"),
        ("a,2026-01-02,3", "b,2026-01-01,3", "row 4: 'b' has 2026-01-01 twice"),
        ("a,2026-01-02,3", ",2026-01-02,3", "row 4: column 'region' is empty"),
        ("a,2026-01-02,3\n", "", "no row of 'a' on 2026-01-02 \\(1 rows missing\\)"),
        ("2026-01-02", "2026-01-03", "no row of 'a' on 2026-01-02 \\(2 rows missing\\)"),
    ],
)
def test_what_is_wrong_is_named_by_row(tmp_path, old, new, said):
    with pytest.raises(UsageError, match=said):
        read(tmp_path, GOOD.replace(old, new))


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"experiment data: .*none\.csv"):
        read_panel(str(tmp_path / "none.csv"), unit="region", day="date", outcome="outcome")
