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

from pipeline.core.decision import Document
from pipeline.core.errors import DamagedError
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


def amount_text(minor: int, digits: int) -> str:
    """Return the amount with exactly so many decimals, such as `1234.50`."""
    return f"{Decimal(minor).scaleb(-digits):.{digits}f}"


def amount_units(text: str, digits: int) -> int | None:
    """Return the whole units of an amount that was read back; None where it is no such amount."""
    try:
        scaled = Decimal(text).scaleb(digits)
        return int(scaled) if scaled == int(scaled) else None
    except (ArithmeticError, ValueError):
        return None


def sheet_bytes(plan: Document, rows: Sequence[tuple[Line, int]]) -> bytes:
    """Return the CSV: the line columns, the amount, its unit, and how it is carried out."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_header(plan))
    terms = list(_terms(plan).values())
    parts = _parts(plan)
    for line, minor in rows:
        said = [_parts_text(parts[line])] if parts else []
        writer.writerow([*line, amount_text(minor, plan.digits), _unit(plan), *said, *terms])
    return text.getvalue().encode("utf-8")


def read_sheet(data: bytes, plan: Document) -> dict[Line, int]:
    """Return line -> whole units of a sheet that was read back.

    Raises:
        DamagedError: it is not the sheet that was written.
    """
    expected, unit, names = _header(plan), _unit(plan), len(plan.line_columns)
    found: dict[Line, int] = {}
    try:
        header, *rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""))
        for row in rows:
            line, (amount, said) = tuple(row[:names]), row[names : names + 2]
            if header != expected or said != unit or line in found or len(row) != len(expected):
                raise DamagedError(f"published sheet of {plan.plan_id}: read back as {row}")
            found[line] = int(Decimal(amount).scaleb(plan.digits))
    except (ValueError, ArithmeticError, csv.Error) as error:
        raise DamagedError(f"published sheet of {plan.plan_id}: not a sheet: {error}") from error
    return found


def amounts_json(plan: Document, content_hash: str, rows: Sequence[tuple[Line, int]]) -> bytes:
    """Return the JSON: every line with its amount in whole units and as text."""
    amount, parts = _amount_column(plan), _parts(plan)
    lines: list[dict[str, Any]] = [
        {
            "line": dict(zip(plan.line_columns, line, strict=True)),
            amount: amount_text(minor, plan.digits),
            f"{amount}_minor": minor,
            **({"parts": parts[line]} if parts else {}),
        }
        for line, minor in rows
    ]
    return json_bytes(
        {
            "plan_id": plan.plan_id,
            "portfolio": plan.portfolio,
            "date": plan.date.isoformat(),
            **_measured(plan, sum(minor for _, minor in rows)),
            **({"terms": terms} if (terms := _terms(plan)) else {}),
            "content_hash": content_hash,
            "lines": lines,
        }
    )


def _header(plan: Document) -> list[str]:
    unit = "currency" if isinstance(plan, Plan) else "unit"
    parts = ["parts"] if _parts(plan) else []
    return [*plan.line_columns, _amount_column(plan), unit, *parts, *_terms(plan)]


def _terms(plan: Document) -> dict[str, str]:
    """Return what holds for every line of a decision as it is carried out, by name."""
    return {} if isinstance(plan, Plan) else dict(sorted(plan.terms.items()))


def _parts(plan: Document) -> dict[Line, dict[str, float]]:
    """Return line -> how its amount is carried out; nothing where no line says it."""
    if isinstance(plan, Plan) or not any(item.parts for item in plan.lines):
        return {}
    return {tuple(item.line[c] for c in plan.line_columns): item.parts for item in plan.lines}


def _parts_text(parts: dict[str, float]) -> str:
    """Return parts as one cell, such as `0:0.05 1:0.95`."""
    return " ".join(f"{name}:{part:g}" for name, part in parts.items())


def _amount_column(plan: Document) -> str:
    return "budget" if isinstance(plan, Plan) else plan.unit.split()[0]


def _unit(plan: Document) -> str:
    return plan.currency if isinstance(plan, Plan) else plan.unit


def _measured(plan: Document, total: int) -> dict[str, Any]:
    """Return what the amounts are measured in; only money adds up to a total."""
    if isinstance(plan, Plan):
        return {"currency": plan.currency, "total_minor": total}
    return {"kind": plan.kind.value, "unit": plan.unit, "digits": plan.digits}


def _is_number(text: str) -> bool:
    """Return whether a spreadsheet reads the text as a plain number, such as `-5` or `+3.5`."""
    return text[:1] in "+-" and text[1:].replace(".", "", 1).isdecimal() and text.isascii()
