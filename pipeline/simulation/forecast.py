"""What a posterior expects of the days ahead if a given amount is spent on each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.history import History
from pipeline.core.types import FloatArray, Line
from pipeline.response import Fitted, Posterior
from pipeline.response.joint import joint_predictive
from pipeline.response.predict import Predictive, predictive


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Predictive draws of outcomes over the days ahead, by what they are known by.

    Attributes:
        names: (n,), lines, or groups of them.
        total: (n_draws, n), as will be reported once complete, noise included.
        unchanged: (n,), expected if every line went on spending what it did last week.
        expected: (n,), expected under the spend that was given.
    """

    names: tuple[Line, ...]
    total: FloatArray
    unchanged: FloatArray
    expected: FloatArray


def forecast(
    posterior: Fitted,
    past: History,
    spend: FloatArray,
    *,
    rng: np.random.Generator,
    n_draws: int = 1000,
) -> Forecast:
    """Return the forecast for the days right after `past`.

    Args:
        posterior: fitted on `past` alone.
        past: what was known.
        spend: (n_days, n_lines), of the days ahead.
        rng: the only source of chance.
        n_draws: how many futures; a joint fit has as many as it kept draws.
    """
    n_days = spend.shape[0]
    ahead = (
        predictive(posterior, past, rng, n_draws=n_draws, n_days=n_days)
        if isinstance(posterior, Posterior)
        else joint_predictive(posterior, past, rng, n_days=n_days)
    )
    usual = np.broadcast_to(past.spend[-7:].mean(axis=0), spend.shape)
    return Forecast(
        names=ahead.lines if isinstance(ahead, Predictive) else ahead.units,
        total=ahead.outcomes(spend, rng).sum(axis=1),
        unchanged=ahead.expected(usual).sum(axis=1).mean(axis=0),
        expected=ahead.expected(spend).sum(axis=1).mean(axis=0),
    )
