"""The building blocks of every section of `portfolio.yaml`: strict values with named problems."""

from __future__ import annotations

import math
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.core.errors import ConfigError
from pipeline.core.money import minor_digits

MOST = 1e13
"""The largest amount of a setting, as of a cell of a table: whole cents of it are exact."""


def whole(value: float) -> float:
    """Return a number of days, people or lines, which are never cut in two."""
    if value != math.floor(value):
        raise ValueError("need a whole number")
    return value


def not_negative(value: float) -> float:
    """Return an amount from 0 to `MOST`."""
    if value < 0:
        raise ValueError(f"must not be negative, got {value:g}")
    if value > MOST:
        raise ValueError(f"must be at most {MOST:,.0f}, got {value:g}")
    return value


def currency_code(value: str) -> str:
    """Return an ISO code whose minor unit is known."""
    try:
        minor_digits(value)
    except ConfigError as error:
        raise ValueError(str(error).removeprefix("currency: ")) from error
    return value


def zone_name(value: str) -> str:
    """Return a time zone that this machine knows."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"got {value!r}, need a name such as Europe/Berlin") from error
    return value


Number = Annotated[float, Field(strict=True)]
Whole = Annotated[float, Field(strict=True), AfterValidator(whole)]
Amount = Annotated[float, Field(strict=True), AfterValidator(not_negative)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=200)]
IDENTIFIER = r"^[a-z0-9][a-z0-9_-]{0,63}$"
COLUMN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
CLOCK_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
Identifier = Annotated[str, Field(strict=True, pattern=IDENTIFIER)]
Column = Annotated[str, Field(strict=True, pattern=COLUMN)]
ClockTime = Annotated[str, Field(strict=True, pattern=CLOCK_TIME)]
ScopeMap = dict[Column, Name]


class Strict(BaseModel):
    """A section: frozen, every number finite, and an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


def numbers_as_floats(value: Any) -> Any:
    """Return the data with whole numbers as floats: strict types still refuse text and booleans."""
    if isinstance(value, dict):
        return {key: numbers_as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(numbers_as_floats(item) for item in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
