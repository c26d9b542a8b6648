"""Numbers and names as people read them; the same on every machine."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import date

from pipeline.core.money import minor_digits

UNKNOWN = "not known"
# In running text: an amount to the cent, and not a part of a name, a date or a quoted cell.
_AMOUNT = re.compile(r"""(?<![\w.,'"/-])(\d{4,15})\.(\d{2})(?![\w'"/-]|[.,]\w)""")
LONGEST_NAME = 120  # a longer one is cut: a page is for people, the ledger keeps the whole name
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def is_known(value: float | None) -> bool:
    """Return whether there is a finite number."""
    return value is not None and math.isfinite(value)


def money(value: float | None, currency: str) -> str:
    """Return `1,234.50`: grouped by thousands, with the currency's decimals."""
    return _grouped(value, minor_digits(currency))


def money_change(value: float | None, currency: str) -> str:
    """Return `+120.00`, `−80.00` or `0.00`."""
    return _signed(value, minor_digits(currency))


def number(value: float | None) -> str:
    """Return an outcome with about three digits that mean something: `1,830`, `45.2`, `1.84`."""
    if value is not None and 0 < abs(value) < 0.0001:
        return "about 0"
    return _grouped(value, _digits(value))


def number_change(value: float | None) -> str:
    """Return an outcome with its sign: `+1,830`."""
    if value is not None and 0 < abs(value) < 0.0001:
        return "about 0"
    return _signed(value, _digits(value))


def percent(share: float | None) -> str:
    """Return a share as `12.4%`, and `100%` or `0%` only where it is exactly that."""
    if share is None or not math.isfinite(share):
        return UNKNOWN
    text = f"{100 * share:,.1f}".removesuffix(".0").replace("-", "−")
    if text in {"0", "−0"} and share != 0:
        return "under 0.1%"
    return f"{'0' if text == '−0' else text}%"


def percent_change(share: float | None) -> str:
    """Return a share with its sign: `+12.4%`."""
    if share is None or not math.isfinite(share):
        return UNKNOWN
    text = f"{abs(100 * share):,.1f}".removesuffix(".0")
    return "0%" if text == "0" else f"{'+' if share > 0 else '−'}{text}%"


def chance(probability: float | None) -> str:
    """Return a probability as people say it: `94 in 100`, never a certainty."""
    if probability is None or not math.isfinite(probability):
        return UNKNOWN
    if probability > 0.99:
        return "more than 99 in 100"
    if probability < 0.01:
        return "less than 1 in 100"
    return f"{round(100 * probability)} in 100"


def long_day(day: date) -> str:
    """Return `Sunday 22 November 2026`."""
    return f"{_WEEKDAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def compact(value: float) -> str:
    """Return an axis label: `0`, `850`, `1.2k`, `3M`."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.4g}{suffix}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def days(count: int) -> str:
    """Return `1 day` or `3 days`."""
    return plural(count, "day")


def plural(count: int, noun: str) -> str:
    """Return `1 line` or `2,000 lines`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def scope_words(scope: Mapping[str, str], columns: tuple[str, ...]) -> str:
    """Return a scope as `search / aud_01`, in the order of the columns, or `the whole portfolio`.

    A scope that skips an outer column names its columns: `audience aud_01`.
    """
    named = [column for column in columns if column in scope]
    if not named:
        return "the whole portfolio"
    if named == list(columns[: len(named)]):
        return " / ".join(label(scope[column]) for column in named)
    return ", ".join(f"{column} {label(scope[column])}" for column in named)


def visible(text: str) -> str:
    """Return the text with everything that could hide or reorder it spelled out.

    Control, format (direction marks, zero-width), separator, private and unassigned characters
    become `[U+202E]`; more than two combining marks in a row are dropped.
    """
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if marks > 2:
            continue
        out.append(character if character.isprintable() else f"[U+{ord(character):04X}]")
    return "".join(out)


def readable(text: str) -> str:
    """Return the text with its amounts grouped by thousands, as every table has them."""
    return _AMOUNT.sub(lambda found: f"{int(found[1]):,}.{found[2]}", text)


def sentence(text: str) -> str:
    """Return the text as a sentence: amounts grouped, and a capital first letter.

    A file's name at its start stays as it is.
    """
    text = readable(text)
    first = text.partition(" ")[0].rstrip(",;:")
    return text[:1].upper() + text[1:] if first.isalpha() else text


def label(text: str) -> str:
    """Return a name that is safe to show and short enough for a table."""
    if not text.strip():
        return "(no name)"
    if len(text) <= LONGEST_NAME:
        return visible(text)
    return f"{visible(text[:LONGEST_NAME])}… (and {len(text) - LONGEST_NAME:,} more characters)"


def _digits(value: float | None) -> int:
    if value is None or not math.isfinite(value) or abs(value) >= 99.95 or value == 0:
        return 0
    if abs(value) >= 9.995:
        return 1
    if abs(value) >= 0.0995:
        return 2
    return 3 if abs(value) >= 0.00995 else 4


def _grouped(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = f"{value:,.{digits}f}"
    if not text.strip("-0.,"):
        text = text.removeprefix("-")  # no negative nothing
    return text.replace("-", "−")


def _signed(value: float | None, digits: int) -> str:
    text = _grouped(value, digits)
    if value is None or text == UNKNOWN or text.startswith("−") or not text.strip("0.,"):
        return text
    return f"+{text}"
