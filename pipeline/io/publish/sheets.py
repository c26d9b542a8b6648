"""An approved plan as the sheet and the JSON that platforms read, byte for byte the same.

Sheets are keyed by the line's names, so a name that a spreadsheet would run as a formula cannot be
escaped: a quote in front would be another name. Such a row stays out of the sheet and is reported;
the JSON has it.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pipeline.core.errors import DamagedError
from pipeline.core.money import minor_digits
from pipeline.core.plan import Plan
from pipeline.core.types import Line
from pipeline.io.artefacts import json_bytes

_FORMULA_STARTS = frozenset("=+-@|%\t\r\n\0")


def formula_reason(line: Line) -> str:
    """Return why the line cannot be a row of a sheet; empty when it can."""
    for name in line:
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
            return f"{name!r} has a control character; rename it on the platform"
        plain = unicodedata.normalize("NFKC", name).lstrip(" \u200b\u200c\u200d\u2060\ufeff")
        if plain[:1] in _FORMULA_STARTS and not _is_number(name):
            return f"{name!r} would be a formula in a spreadsheet; rename it on the platform"
    return ""


def amount_text(minor: int, currency: str) -> str:
    """Return the amount with exactly the currency's decimals, such as `1234.50`."""
    digits = minor_digits(currency)
    return f"{Decimal(minor).scaleb(-digits):.{digits}f}"


def sheet_bytes(plan: Plan, rows: Sequence[tuple[Line, int]]) -> bytes:
    """Return the CSV: the line columns, `budget` and `currency`, one row per line."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*plan.line_columns, "budget", "currency"])
    for line, minor in rows:
        writer.writerow([*line, amount_text(minor, plan.currency), plan.currency])
    return text.getvalue().encode("utf-8")


def read_sheet(data: bytes, plan: Plan) -> dict[Line, int]:
    """Return line -> minor units of a sheet that was read back.

    Raises:
        DamagedError: it is not the sheet that was written.
    """
    expected = [*plan.line_columns, "budget", "currency"]
    found: dict[Line, int] = {}
    try:
        header, *rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""))
        for row in rows:
            *line, amount, currency = row
            if header != expected or currency != plan.currency or tuple(line) in found:
                raise DamagedError(f"published sheet of {plan.plan_id}: read back as {row}")
            found[tuple(line)] = int(Decimal(amount).scaleb(minor_digits(currency)))
    except (ValueError, ArithmeticError, csv.Error) as error:
        raise DamagedError(f"published sheet of {plan.plan_id}: not a sheet: {error}") from error
    return found


def budgets_json(plan: Plan, content_hash: str, rows: Sequence[tuple[Line, int]]) -> bytes:
    """Return the JSON: every line with its budget in minor units and as text."""
    lines: list[dict[str, Any]] = [
        {
            "line": dict(zip(plan.line_columns, line, strict=True)),
            "budget": amount_text(minor, plan.currency),
            "budget_minor": minor,
        }
        for line, minor in rows
    ]
    return json_bytes(
        {
            "plan_id": plan.plan_id,
            "portfolio": plan.portfolio,
            "date": plan.date.isoformat(),
            "currency": plan.currency,
            "content_hash": content_hash,
            "total_minor": sum(minor for _, minor in rows),
            "lines": lines,
        }
    )


def _is_number(text: str) -> bool:
    """Return whether a spreadsheet reads the text as a plain number, such as `-5` or `+3.5`."""
    return text[:1] in "+-" and text[1:].replace(".", "", 1).isdecimal() and text.isascii()
