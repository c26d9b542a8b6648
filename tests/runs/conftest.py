"""Shops to run nights in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runs.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


@pytest.fixture
def open_shop(tmp_path: Path) -> Callable[..., Shop]:
    """Make a shop of one's own."""

    def make(name: str = "shop", **more: Any) -> Shop:
        return Shop(tmp_path / name, **more)

    return make
