"""Draws of the days ahead, and what was promised of them, come back as they were stored."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.io.artefacts import begin_run
from pipeline.response import fit_joint
from pipeline.response.joint import JointPredictive, joint_predictive
from pipeline.runs.ahead_files import read_ahead, read_line_ahead, write_ahead
from pipeline.runs.promises import FORECAST, PROMISES, read_promises, write_forecast
from tests.response.test_joint_predict import regions, rng


@pytest.fixture(scope="module")
def ahead() -> JointPredictive:
    """Three regions, one of which has a line that nothing is known of."""
    history = regions(100)
    found = joint_predictive(fit_joint(history, "revenue", rng()), history, rng(6))
    return replace(found, unit_of=np.array([0, 0, 1, 1, 2, -1]))


def assert_same(one: Any, other: Any) -> None:
    for field in fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right, err_msg=field.name)
        elif field.name == "paid":
            assert_same(left, right)
        else:
            assert left == right, field.name


def test_draws_of_groups_come_back(ahead: JointPredictive, tmp_path: Path) -> None:
    work = begin_run(str(tmp_path), "night")
    assert read_ahead(work) is None
    write_ahead(work, ahead)
    again = read_ahead(work)
    assert isinstance(again, JointPredictive)
    assert_same(ahead, again)
    assert read_line_ahead(work) is None  # no line has a future of its own


def test_promises_of_groups_come_back(ahead: JointPredictive, tmp_path: Path) -> None:
    budgets, current = np.linspace(80, 130, 6), np.full(6, 100.0)
    promised = ahead.forecast(budgets, current, rng(1))
    work = begin_run(str(tmp_path), "night")
    write_forecast(work, promised)
    work.write_parquet(PROMISES, work.read_parquet(FORECAST))
    (promise,) = read_promises(work)
    assert_same(promised, promise.forecast)
    assert promised.spend[-1] == pytest.approx(budgets[:-1].sum())  # of what can be scored
