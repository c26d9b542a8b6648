"""Money in whole minor units, for currencies of no, two and three decimals."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import ConfigError
from pipeline.core.money import (
    from_minor,
    minor_digits,
    outcome_unit,
    plain_money,
    round_money,
    sum_money,
    sum_words,
    to_minor,
    worth_saying,
)

CURRENCIES = st.sampled_from(["JPY", "EUR", "KWD"])
MINOR = st.integers(-(10**13), 10**13)
AMOUNTS = st.floats(-1e11, 1e11)


def test_an_amount_in_a_line_of_text_has_its_currencys_decimals():
    said = [plain_money(1234.5, code) for code in ("JPY", "EUR", "KWD")]
    assert said == ["1234", "1234.50", "1234.500"]


def test_a_currency_knows_its_decimals():
    assert [minor_digits(code) for code in ("JPY", "EUR", "USD", "KWD")] == [0, 2, 2, 3]


@pytest.mark.parametrize("code", ["", "eur", "EURO", "E R", "ÉUR", "12E", "EU\n"])
def test_a_word_that_is_no_currency_is_refused(code):
    with pytest.raises(ConfigError, match="currency"):
        minor_digits(code)


@given(MINOR, CURRENCIES)
def test_whole_minor_units_survive_the_way_there_and_back(minor, currency):
    assert to_minor(from_minor(minor, currency), currency) == minor


@given(AMOUNTS, CURRENCIES)
def test_rounding_twice_is_rounding_once_and_moves_by_half_a_unit_at_most(amount, currency):
    once = round_money(amount, currency)
    assert round_money(once, currency) == once
    unit = Decimal(1).scaleb(-minor_digits(currency))
    exact = Decimal(to_minor(amount, currency)) * unit
    assert abs(exact - Decimal(repr(amount))) <= unit / 2


@given(st.lists(MINOR, max_size=50), CURRENCIES)
def test_sums_are_exact(minors, currency):
    amounts = [from_minor(minor, currency) for minor in minors]
    assert sum_money(amounts, currency) == from_minor(sum(minors), currency)


def test_halves_go_to_the_even_cent():
    assert [to_minor(amount, "EUR") for amount in (0.005, 0.015, 2.675, 1.005)] == [0, 2, 268, 100]
    assert to_minor(2.5, "JPY") == 2


@pytest.mark.parametrize("amount", [math.nan, math.inf, -math.inf])
def test_an_amount_that_is_not_finite_is_refused(amount):
    with pytest.raises(ConfigError, match="finite"):
        to_minor(amount, "EUR")


def test_rounding_gives_the_amount_in_the_major_unit():
    assert round_money(1.006, "EUR") == 1.01
    assert round_money(1234.4, "JPY") == 1234.0
    assert round_money(-0.0014, "KWD") == -0.001


@pytest.mark.parametrize(
    ("rate", "amount"),
    [(151.0, 1), (1.0, 1), (0.5, 10), (0.00002, 100_000), (1e-12, 10**6), (0, 1)],
)
def test_what_money_earns_is_said_for_an_amount_that_earns_one_or_more(rate, amount):
    assert worth_saying(rate) == amount


def test_an_amount_is_said_with_its_currency():
    assert (sum_words(1, "EUR"), sum_words(100_000, "JPY")) == ("EUR", "100 000 JPY")


@pytest.mark.parametrize(
    ("metric", "of"),
    [("revenue", "EUR of revenue"), ("new_trials", "new trials"), ("margin", "margin")],
)
def test_an_outcome_says_what_it_counts(metric: str, of: str) -> None:
    assert outcome_unit(metric, "EUR") == of
