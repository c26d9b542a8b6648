"""What a posterior expects of the days ahead if a given amount is spent on each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.history import History
from pipeline.core.types import FloatArray
from pipeline.response import Posterior
from pipeline.response.predict import predictive


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Predictive draws of every line's outcome over the days ahead.

    Attributes:
        total: (n_draws, n_lines), as will be reported once complete, noise included.
        unchanged: (n_lines,), expected if every line went on spending what it did last week.
        expected: (n_lines,), expected under the spend that was given.
    """

    total: FloatArray
    unchanged: FloatArray
    expected: FloatArray


def forecast(
    posterior: Posterior,
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
        n_draws: how many futures.
    """
    ahead = predictive(posterior, past, rng, n_draws=n_draws, n_days=spend.shape[0])
    usual = np.broadcast_to(past.spend[-7:].mean(axis=0), spend.shape)
    return Forecast(
        total=ahead.outcomes(spend, rng).sum(axis=1),
        unchanged=ahead.expected(usual).sum(axis=1).mean(axis=0),
        expected=ahead.expected(spend).sum(axis=1).mean(axis=0),
    )
