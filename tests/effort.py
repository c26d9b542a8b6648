"""How hard property tests try: little in `make test`, EQUIMARGINAL_TORTURE times as much there."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("EQUIMARGINAL_TORTURE") or 1)


def effort(examples: int, *, most: int = 100_000) -> Callable[[Any], Any]:
    """Return the settings of a test that tries so many examples, and more under torture."""
    return settings(
        deadline=None,
        derandomize=FACTOR == 1,
        max_examples=min(examples * FACTOR, most),
        suppress_health_check=list(HealthCheck),
        database=None,
    )
