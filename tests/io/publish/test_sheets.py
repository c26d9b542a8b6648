from __future__ import annotations

import csv
import io
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import DamagedError
from pipeline.core.money import minor_digits
from pipeline.core.plan import Mode, Plan
from pipeline.io.publish.sheets import (
    amount_text,
    amounts_json,
    formula_reason,
    read_sheet,
    sheet_bytes,
)
from tests.core.test_decision import decision


def plan(currency="EUR"):
    return Plan(
        plan_id="2026-11-22-00000000",
        portfolio="acme",
        date=date(2026, 11, 22),
        currency=currency,
        line_columns=("channel", "campaign"),
        mode=Mode.OPTIMISED,
        budget=1.0,
        lines=(),
    )


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "a\n=1",
        "  =1",
        "\u00a0=1",
        "\u200b=1",
        "\ufeff=1",
        "＝1+1",
        "＋1",
        "－1+1",
        "＠x",
        "|x",
        "%0A=1",
        "a\0b",
        "\ud800",
        "-x",
        "-1.2.3",
        "+1.2.3",
    ],
)
def test_a_name_that_a_sheet_would_run_is_refused_and_never_renamed(name):
    assert formula_reason(("search", name))
    assert formula_reason((name, "search"))


@pytest.mark.parametrize(
    "name", ["NA", "007", "no", "1:30", "01/02/2026", "a=b", 'a, "b"', "-5", "+3.5", "漢", "a-b"]
)
def test_an_ordinary_name_is_not(name):
    assert formula_reason(("search", name)) == ""


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123450, "EUR", "1234.50"),
        (0, "EUR", "0.00"),
        (7, "JPY", "7"),
        (1, "KWD", "0.001"),
        (10**15, "EUR", "10000000000000.00"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(minor, currency, text):
    assert amount_text(minor, minor_digits(currency)) == text


names = st.text(min_size=1, max_size=30).filter(lambda name: not formula_reason((name,)))


@given(
    rows=st.dictionaries(st.tuples(names, names), st.integers(0, 10**12), max_size=20),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_a_sheet_read_back_is_what_was_written(rows, currency):
    data = sheet_bytes(plan(currency), list(rows.items()))
    assert read_sheet(data, plan(currency)) == rows
    cells = [cell for row in csv.reader(io.StringIO(data.decode(), newline="")) for cell in row]
    assert not [cell for cell in cells if cell[:1] in set("=@\t\r\n|%")]
    found = json.loads(amounts_json(plan(currency), "sha256:x", list(rows.items())))
    scale = 10 ** minor_digits(currency)
    assert [round(float(item["budget"]) * scale) for item in found["lines"]] == pytest.approx(
        list(rows.values())
    )
    assert found["total_minor"] == sum(rows.values())


def test_a_sheet_names_the_lines_the_amount_and_what_it_is_counted_in():
    rows = [(("search", "a"), 12345)]
    money = b"channel,campaign,budget,currency\r\nsearch,a,123.45,EUR\r\n"
    assert sheet_bytes(plan(), rows) == money
    share = decision()
    columns = ",".join(share.line_columns).encode()
    header = sheet_bytes(share, []).rstrip()
    assert header == columns + b"," + share.unit.split()[0].encode() + b",unit"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"channel,campaign,budget\r\na,b,1\r\n",
        b"channel,campaign,budget,currency\r\na,b,1.00,USD\r\n",
        b"channel,campaign,budget,currency\r\na,b,x,EUR\r\n",
        b"channel,campaign,budget,currency\r\na,b,1.00,EUR\r\na,b,1.00,EUR\r\n",
        b"channel,campaign,budget,currency\r\na\r\n",
    ],
)
def test_a_sheet_that_came_back_wrong_is_damage(data):
    with pytest.raises(DamagedError, match="2026-11-22-00000000"):
        read_sheet(data, plan())
