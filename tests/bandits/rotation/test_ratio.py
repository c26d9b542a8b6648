"""The sample-ratio check: quiet by chance, loud where the split is broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.bandits.rotation.ratio import BROKEN, sample_ratio_p

UPWORTHY = Path(__file__).resolve().parents[4] / "shared/data/creative_upworthy/packages.parquet"


def test_chance_alone_is_called_broken_about_as_often_as_said():
    rng = np.random.default_rng(1)
    p = [
        sample_ratio_p(rng.multinomial(5_000, np.full(4, 0.25)).astype(float)) for _ in range(4000)
    ]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.012)
    assert np.mean(np.array(p) < BROKEN) < 0.004


def test_a_split_that_leans_is_found_and_a_planned_one_is_not():
    seen = np.array([5_500.0, 4_500.0])
    assert sample_ratio_p(seen) < BROKEN
    assert sample_ratio_p(seen, np.array([0.55, 0.45])) == pytest.approx(1.0)
    assert sample_ratio_p(np.array([10.0, 1.0]), np.array([1.0, 0.0])) == 0.0


@pytest.mark.skipif(not UPWORTHY.exists(), reason="needs the randomised headline tests")
def test_the_window_of_broken_randomisation_is_flagged():
    import pyarrow.parquet as pq

    data = pq.read_table(UPWORTHY).to_pandas()
    flagged: dict[bool, list[bool]] = {True: [], False: []}
    for _, test in data.groupby("clickability_test_id"):
        p = sample_ratio_p(test["impressions"].to_numpy(dtype=float))
        flagged[bool(test["rand_problem_period"].iloc[0])].append(p < BROKEN)
    assert np.mean(flagged[True]) >= 0.60
    assert np.mean(flagged[False]) <= 0.01
