from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.io.reports import words


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        (1234567.5, "EUR", "1,234,567.50"),
        (0.0, "EUR", "0.00"),
        (-0.0, "EUR", "0.00"),
        (-80.0, "EUR", "−80.00"),
        (1500.0, "JPY", "1,500"),
        (1.2345, "KWD", "1.234"),
        (float("nan"), "EUR", "not known"),
        (float("inf"), "EUR", "not known"),
        (None, "EUR", "not known"),
    ],
)
def test_money_has_the_currency_s_decimals_and_nothing_is_not_zero(value, currency, text):
    assert words.money(value, currency) == text


def test_a_change_shows_its_sign_and_no_change_shows_none():
    assert words.money_change(380.0, "EUR") == "+380.00"
    assert words.money_change(-80.0, "EUR") == "−80.00"
    assert words.money_change(0.0, "EUR") == "0.00"
    assert words.percent_change(None) == "not known"
    assert words.percent_change(0.125) == "+12.5%"
    assert words.percent_change(-0.2) == "−20%"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (18412.3, "18,412"),
        (99.96, "100"),
        (45.23, "45.2"),
        (1.836, "1.84"),
        (0.0712, "0.071"),
        (0.00123, "0.0012"),
        (1e-7, "about 0"),
        (0.0, "0"),
        (float("nan"), "not known"),
    ],
)
def test_an_outcome_keeps_about_three_digits(value, text):
    assert words.number(value) == text


def test_a_probability_is_never_a_certainty():
    assert words.chance(1.0) == "more than 99 in 100"
    assert words.chance(0.0) == "less than 1 in 100"
    assert words.chance(0.944) == "94 in 100"
    assert words.chance(float("nan")) == "not known"


def test_a_small_share_is_not_shown_as_nothing():
    assert words.percent(0.0) == "0%"
    assert words.percent(0.0001) == "under 0.1%"
    assert words.percent(1.0) == "100%"


def test_days_are_written_out_the_same_everywhere():
    assert words.long_day(date(2026, 11, 22)) == "Sunday 22 November 2026"


def test_a_sentence_starts_with_a_capital_but_a_file_s_name_stays():
    assert words.sentence("stays as it is") == "Stays as it is"
    assert words.sentence("outcomes.csv is late") == "outcomes.csv is late"
    assert words.sentence("") == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the plan is 625356.41 above the budget 118106.29: ramp", "the plan is 625,356.41 above "
         "the budget 118,106.29: ramp"),
        ("spend: 8819.97 a day (12345678.90 of it).", "spend: 8,819.97 a day (12,345,678.90 of "
         "it)."),
        ("got '12345.67', need a number", "got '12345.67', need a number"),
        ("data/2024.01.csv, row 12345, spend_2024.01, 2024.01.22", "data/2024.01.csv, row 12345, "
         "spend_2024.01, 2024.01.22"),
        ("the next EUR earns 0.85; 1,234.50 moves", "the next EUR earns 0.85; 1,234.50 moves"),
    ],
)  # fmt: skip
def test_amounts_in_a_sentence_read_as_in_a_table_and_names_stay(text, shown):
    assert words.readable(text) == shown


def test_what_hides_or_reorders_text_is_spelled_out():
    assert words.visible("a\u202eb\u200bc\x00d\ne") == "a[U+202E]b[U+200B]c[U+0000]d[U+000A]e"
    assert words.visible("Zoë · Köln · 東京 · 🎯") == "Zoë · Köln · 東京 · 🎯"


def test_marks_that_climb_over_other_lines_are_dropped():
    assert len(words.visible("a" + "\u0301" * 50)) == 3


@given(st.text())
def test_every_text_is_printable_once_it_is_visible(text):
    assert words.visible(text).isprintable()


@given(st.text())
def test_no_label_is_empty_or_endless(text):
    shown = words.label(text)
    assert shown.strip()
    assert len(words.label(text * 50)) <= words.LONGEST_NAME * 10 + 40


def test_a_scope_names_its_columns_only_where_it_skips_one():
    columns = ("channel", "audience")
    assert words.scope_words({}, columns) == "the whole portfolio"
    assert words.scope_words({"audience": "a", "channel": "s"}, columns) == "s / a"
    assert words.scope_words({"audience": "a"}, columns) == "audience a"
