"""The few aliases that every signature uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
SingleArray: TypeAlias = npt.NDArray[np.float32]
RealArray: TypeAlias = FloatArray | SingleArray
BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
SmallArray: TypeAlias = npt.NDArray[np.int8]

Line: TypeAlias = tuple[str, ...]
"""A budget line: the values of the portfolio's `line` columns, outermost first."""

JsonObject: TypeAlias = dict[str, Any]


def line_label(line: Line) -> str:
    """Return the line as people read it: `search / aud_01`."""
    return " / ".join(line)


def scope_label(scope: Mapping[str, str]) -> str:
    """Return a scope as people read it: `channel=search, audience=aud_01`, or `everything`."""
    return ", ".join(f"{column}={value}" for column, value in scope.items()) or "everything"


def in_scope(line: Line, columns: tuple[str, ...], scope: Mapping[str, str]) -> bool:
    """Return whether the line has every value that the scope names."""
    values = dict(zip(columns, line, strict=True))
    return all(values.get(column) == value for column, value in scope.items())
