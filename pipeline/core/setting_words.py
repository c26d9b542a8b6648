"""What is wrong with settings, in plain words: where, what is needed, and what a typo may mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.core.settings import CLOCK_TIME, COLUMN, IDENTIFIER

_SAID: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda c: "is missing",
    "literal_error": lambda c: f"need {c['expected']}",
    "less_than_equal": lambda c: f"need at most {c['le']:g}",
    "less_than": lambda c: f"need less than {c['lt']:g}",
    "greater_than_equal": lambda c: f"need {c['ge']:g} or more",
    "greater_than": lambda c: f"need more than {c['gt']:g}",
    "date_from_datetime_parsing": lambda c: "need a day such as 2026-11-22",
    "date_parsing": lambda c: "need a day such as 2026-11-22",
    "date_type": lambda c: "need a day such as 2026-11-22",
    "finite_number": lambda c: "need a finite number",
    "float_type": lambda c: "need a number",
    "float_parsing": lambda c: "need a number",
    "int_type": lambda c: "need a whole number",
    "int_parsing": lambda c: "need a whole number",
    "int_from_float": lambda c: "need a whole number",
    "bool_type": lambda c: "need true or false",
    "model_type": lambda c: "need a mapping of settings",
    "dict_type": lambda c: "need a mapping of settings",
    "tuple_type": lambda c: "need a list",
    "too_short": lambda c: f"need {c['min_length']} entries or more",
    "string_pattern_mismatch": lambda c: _NEEDED.get(c["pattern"], f"does not fit {c['pattern']}"),
    "string_too_short": lambda c: "must not be empty",
}
"""Type of a problem -> what to say of it; the given value is not repeated: it may be a secret."""

_NEEDED: Mapping[str, str] = {
    IDENTIFIER: "need small letters, digits, - and _",
    COLUMN: "need the name of a column: letters, digits and _",
    CLOCK_TIME: 'need a time such as "20:30"',
}


def setting_problems(
    error: ValidationError, known: Iterable[type[BaseModel]], whole: str = "file"
) -> list[str]:
    """Return one sentence per problem, such as `rotation.rewards: no such setting`.

    Args:
        known: the sections whose names a misspelt one is compared with.
        whole: what a problem of no single setting is said of; empty where it needs no name.
    """
    names = sorted({name for section in known for name in section.model_fields})
    return [_problem(item, names, whole) for item in error.errors()]


def _problem(item: Any, names: list[str], whole: str) -> str:
    where = ".".join(str(part) for part in item["loc"]) or whole
    if item["type"] == "extra_forbidden":
        given = str(item["loc"][-1])
        near = get_close_matches(given, [name for name in names if name != given], n=1)
        return f"{where}: no such setting" + (f"; is '{near[0]}' meant?" if near else "")
    if (said := _SAID.get(item["type"])) is not None:
        return f"{where}: {said(item.get('ctx', {}))}"
    text = item["msg"].removeprefix("Value error, ")
    place, _, rest = text.partition(": ")
    if rest and f"{where}.".startswith(f"{place}."):  # the place is said already
        text = rest
    return f"{where}: {text.replace('Input should be ', 'need ')}".removeprefix(": ")
