"""The true response curves: families that a fit may or may not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray

FAMILIES = (
    "hill", "exponential", "power", "log", "s_shaped", "logistic", "ceiling", "threshold",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueCurves:
    """One curve a line, as a function of spend over the line's reference spend; 1 at 1, 0 at 0.

    Attributes:
        family: (n_lines,), names out of `FAMILIES`.
        bend: (n_lines,), what gives the curve its elasticity at the reference spend.
        slope: (n_lines,), steepness of the families that have one.
    """

    family: tuple[str, ...]
    bend: FloatArray
    slope: FloatArray

    def __call__(self, relative_spend: FloatArray) -> FloatArray:
        """Return the relative effect of relative spends, (..., n_lines)."""
        out = np.empty_like(relative_spend)
        names = np.array(self.family)
        for name in sorted(set(self.family)):
            of = names == name
            bend, slope = self.bend[of], self.slope[of]
            at_one = _raw(name, np.ones_like(bend), bend, slope)
            out[..., of] = _raw(name, relative_spend[..., of], bend, slope) / at_one
        return out

    def elasticity(self) -> FloatArray:
        """Return relative change of effect per relative change of spend at 1, (n_lines,)."""
        step = 1e-3
        one = np.ones(len(self.family))
        return np.asarray((self(one * (1 + step)) - self(one * (1 - step))) / (2 * step))


def draw_curves(
    families: tuple[str, ...], elasticity: FloatArray, rng: np.random.Generator
) -> TrueCurves:
    """Return one curve a line, its family out of `families`.

    Args:
        families: names out of `FAMILIES`, equally likely.
        elasticity: (n_lines,), wanted at the reference spend, 0 to 1; families with a kink or a
            steep part take their own.
        rng: the only source of chance.
    """
    n_lines = elasticity.size
    names = tuple(families[i] for i in rng.integers(0, len(families), n_lines))
    steep, place = rng.random(n_lines), rng.random(n_lines)
    bend, slope = np.empty(n_lines), np.ones(n_lines)
    for i, name in enumerate(names):
        e = float(np.clip(elasticity[i], 0.05, 0.95))
        if name == "hill":
            bend[i] = e / (1 - e)
        elif name == "power":
            bend[i] = e
        elif name in ("exponential", "log"):
            bend[i] = _bend_for(name, e)
        elif name == "s_shaped":
            slope[i] = 1.6 + 1.6 * steep[i]
            bend[i] = 0.45 + 1.1 * place[i]  # half-saturation: from well saturated to convex
        elif name == "logistic":
            slope[i] = 2.5 + 3.5 * steep[i]
            bend[i] = 0.4 + 0.9 * place[i]
        elif name == "ceiling":
            bend[i] = 0.75 + 1.1 * place[i]  # the kink, in reference spends
        else:
            bend[i] = 0.15 + 0.55 * place[i]  # below this share of the reference nothing happens
            slope[i] = 0.35 + 0.4 * steep[i]
    return TrueCurves(family=names, bend=bend, slope=slope)


def _raw(name: str, u: FloatArray, bend: FloatArray, slope: FloatArray) -> FloatArray:
    return np.asarray(_SHAPES[name](np.maximum(u, 0.0), bend, slope))


def _bend_for(name: str, elasticity: float) -> float:
    """Return the bend that gives the family this elasticity at 1, by bisection in logs."""
    low, high = 1e-3, 1e5
    for _ in range(80):
        middle = float(np.sqrt(low * high))
        if name == "exponential":
            at = middle / np.expm1(min(middle, 500.0))
        else:
            at = middle / ((1 + middle) * np.log1p(middle))
        low, high = (middle, high) if at > elasticity else (low, middle)
    return low


def _s_shaped(u: FloatArray, bend: FloatArray, slope: FloatArray) -> FloatArray:
    powered = np.power(u, slope)
    return np.asarray(powered / (powered + np.power(bend, slope)))


def _logistic(u: FloatArray, bend: FloatArray, slope: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-slope * (u - bend))) - 1 / (1 + np.exp(slope * bend)))


_SHAPES: dict[str, Callable[[FloatArray, FloatArray, FloatArray], FloatArray]] = {
    "hill": lambda u, bend, slope: u / (u + bend),
    "exponential": lambda u, bend, slope: -np.expm1(-bend * u),
    "power": lambda u, bend, slope: np.power(u, bend),
    "log": lambda u, bend, slope: np.log1p(bend * u),
    "s_shaped": _s_shaped,
    "logistic": _logistic,
    "ceiling": lambda u, bend, slope: np.minimum(u, bend),
    "threshold": lambda u, bend, slope: np.power(np.maximum(u - bend, 0.0), slope),
}
