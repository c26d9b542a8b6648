"""A normal cut off on one side or on both: what coefficients that cannot be below zero are."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from pipeline.core.types import FloatArray


def log_between(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the log probability that a standard normal lies between two bounds."""
    flipped = low + high > 0  # the tail that both are in keeps its digits
    below = log_ndtr(np.where(flipped, -high, low))
    above = log_ndtr(np.where(flipped, -low, high))
    return np.asarray(above + np.log1p(-np.exp(np.minimum(below - above, -1e-15))))


def draw_between(low: FloatArray, high: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return draws of a standard normal between two bounds, one each."""
    flipped = low + high > 0
    below = log_ndtr(np.where(flipped, -high, low))
    above = log_ndtr(np.where(flipped, -low, high))
    point = rng.random(low.size)
    drawn = ndtri_exp(np.minimum(np.logaddexp(above + np.log(point), below + np.log1p(-point)), 0))
    return np.asarray(np.where(flipped, -drawn, drawn))


def log_density(mean: FloatArray, relative_sd: FloatArray | float, value: FloatArray) -> FloatArray:
    """Return the log density where it is cut off at zero; the deviation is relative to the mean."""
    sd = relative_sd * mean
    return np.asarray(
        -0.5 * np.square((value - mean) / sd) - np.log(sd) - log_ndtr(1 / np.asarray(relative_sd))
    )
