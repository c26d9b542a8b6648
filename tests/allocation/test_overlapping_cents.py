"""Whole cents under groups that nest, overlap and bind, counted in whole numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.allocation.curves import Curves
from pipeline.allocation.families import Exponential
from pipeline.allocation.problem import Group, Problem
from pipeline.allocation.rounding import round_spend
from pipeline.allocation.solve import solve
from pipeline.core.errors import InfeasibleError
from tests.effort import effort


@effort(40)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_limit_of_a_few_cents_is_kept_exactly(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 9))
    caps = rng.integers(1, 60, size)
    groups, limits = [], []
    for number in range(int(rng.integers(0, 5))):
        members = np.sort(rng.choice(size, int(rng.integers(1, size + 1)), replace=False))
        most = int(rng.integers(0, int(caps[members].sum()) + 1))
        least = int(rng.integers(0, most + 1)) if rng.random() < 0.3 else 0
        limits.append((members, least, most))
        groups.append(Group(id=f"g{number}", members=members, min=least / 100, max=most / 100))
    budget, exactly = int(rng.integers(0, int(caps.sum()) + 1)), bool(rng.random() < 0.5)
    curves = Exponential(rng.uniform(1, 5, size), rng.uniform(0.05, 0.5, size))
    problem = Problem(
        ids=tuple(map(str, range(size))),
        curves=Curves.of(curves, size),
        lower=np.zeros(size),
        upper=caps / 100,
        budget=budget / 100,
        exactly=exactly,
        groups=tuple(groups),
    )
    try:
        spend = solve(problem).spend
    except InfeasibleError:
        return
    cents = np.round(100 * round_spend(problem, spend, 0.01)).astype(int)
    assert (cents >= 0).all()
    assert (cents <= caps).all()
    assert cents.sum() == budget if exactly else cents.sum() <= budget
    for members, least, most in limits:
        assert least <= cents[members].sum() <= most
