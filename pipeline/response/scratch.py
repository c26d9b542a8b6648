"""Memory that blocks of lines use one after the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Scratch:
    """Arrays by name, kept from one block to the next.

    A block needs tens of megabytes for a moment. Given back to the system and asked for again, they
    come as fresh pages, which takes a tenth of the time that a block's evidence does.
    """

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[Any]] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
        """Return an array whose content is anything, good until that name is taken again."""
        size, kept = math.prod(shape), self._kept.get(name)
        if kept is None or kept.size < size or kept.dtype != dtype:
            kept = self._kept[name] = np.empty(size, dtype=dtype)
        return kept[:size].reshape(shape)
