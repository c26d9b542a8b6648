"""Whether past forecasts were right on average and as sure as they said, per horizon and line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import FloatArray, Line
from pipeline.scoring.scores import Score

NOMINAL = 0.9
LEAST_INDEPENDENT = 8.0  # forecasts that do not overlap, before anything is concluded
PRIOR_FORECASTS = 20.0  # what "as sure as they said" is worth when the spread is learned
MOST_WIDENING = 3.0
Z90 = 1.645
LEAST_FORECAST = 1e-6  # of what came: a forecast of less is as good as one of nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How past forecasts of one line (or of the total) did at one horizon.

    Attributes:
        line: empty for the portfolio's total.
        forecasts: mature ones; `independent` of them do not overlap.
        bias: what came over what was forecast, minus 1; with a 90 % interval. Infinite where
            something came and nothing was forecast, 0 where neither.
        came: a forecast, in the mean.
        coverage: share inside their 90 % interval; with a 90 % interval of that share.
        spread: standard deviation of the surprises, 1 where intervals are as wide as they should.
    """

    line: Line
    horizon: int
    forecasts: int
    independent: float
    bias: float
    bias_low: float
    bias_high: float
    came: float
    coverage: float
    coverage_low: float
    coverage_high: float
    spread: float

    @property
    def is_overconfident(self) -> bool:
        """Whether intervals were too narrow, beyond what chance explains."""
        return self.independent >= LEAST_INDEPENDENT and self.coverage_high < NOMINAL

    @property
    def is_biased(self) -> bool:
        """Whether what came differs from the forecasts, beyond what chance explains."""
        away = self.bias_low > 0 or self.bias_high < 0
        return self.independent >= LEAST_INDEPENDENT and away and abs(self.bias) > 0.02


def calibrate(scores: Sequence[Score]) -> list[Calibration]:
    """Return the calibration of the total and of every line at every horizon, mature scores only.

    Args:
        scores: of any plans; one plan a day.
    """
    groups: dict[tuple[int, Line], list[Score]] = {}
    for score in scores:
        if score.is_mature:
            groups.setdefault((score.horizon, score.line), []).append(score)
    return [_one(groups[key], *key) for key in sorted(groups)]


def calibration_findings(found: Sequence[Calibration]) -> list[Finding]:
    """Return what the signer must know of the total's calibration."""
    out = []
    for item in found:
        if item.line:
            continue
        if item.is_overconfident:
            message = (
                f"{item.forecasts} forecasts over {item.horizon} days: {item.coverage:.0%} of what "
                "came lay in the 90 % interval; read tonight's intervals as wider than drawn"
            )
            out.append(_finding("forecast-coverage", message))
        if item.is_biased:
            message = f"{item.forecasts} forecasts over {item.horizon} days: {_how_far(item)}"
            out.append(_finding("forecast-bias", message))
    return out


def widening(found: Sequence[Calibration]) -> float:
    """Return the factor by which tonight's spread should grow, 1 unless forecasts were too sure."""
    totals = [item for item in found if not item.line and item.is_overconfident]
    if not totals:
        return 1.0
    worst = max(totals, key=lambda item: item.spread)
    weight = worst.independent / (worst.independent + PRIOR_FORECASTS)
    spread = float(np.sqrt(weight * worst.spread**2 + 1 - weight))
    return float(np.clip(spread, 1.0, MOST_WIDENING))


def _how_far(item: Calibration) -> str:
    if np.isinf(item.bias):
        return f"nothing was forecast, and {item.came:,.6g} came each time"
    return f"{abs(item.bias):.1%} {'more' if item.bias > 0 else 'less'} came than was forecast"


def _one(scores: Sequence[Score], horizon: int, line: Line) -> Calibration:
    came = np.array([score.came for score in scores])
    given = np.array([score.given for score in scores])
    inside = float(np.mean([score.is_inside for score in scores]))
    surprise = np.array([score.surprise for score in scores])
    independent = _independent([score.day for score in scores], horizon)
    bias, error = _ratio(came, given, independent)
    low, high = _wilson(inside, independent)
    return Calibration(
        line=line,
        horizon=horizon,
        forecasts=len(scores),
        independent=independent,
        bias=bias,
        bias_low=bias - Z90 * error,
        bias_high=bias + Z90 * error,
        came=float(came.mean()),
        coverage=inside,
        coverage_low=low,
        coverage_high=high,
        spread=float(np.sqrt(np.mean(np.square(surprise)))),
    )


def _independent(days: Sequence[date], horizon: int) -> float:
    """Return how many forecasts of so many days there are that do not overlap, 1 at least."""
    gaps = np.diff(np.sort([day.toordinal() for day in days])) if len(days) > 1 else np.ones(1)
    lengths = np.minimum(np.append(gaps, gaps.min()), horizon)
    return max(float(lengths.sum()) / horizon, 1.0)


def _ratio(came: FloatArray, given: FloatArray, independent: float) -> tuple[float, float]:
    """Return the ratio of sums minus 1 and its standard error (delta method).

    Days in a row share their luck, so the error also grows with the autocorrelation of misses.
    Where nothing was forecast there is no ratio: 0 if nothing came, else infinite.
    """
    whole = float(given.mean())
    if whole <= LEAST_FORECAST * float(np.abs(came).mean()):
        return (np.inf if came.any() else 0.0), 0.0
    bias = float(came.mean()) / whole - 1
    miss = (came - (1 + bias) * given) / whole
    kept = 0.0
    if miss.size > 3 and miss.std() > 0:
        centred = miss - miss.mean()
        kept = float(np.clip((centred[1:] * centred[:-1]).sum() / (centred**2).sum(), 0, 0.9))
    count = min(miss.size * (1 - kept) / (1 + kept), independent)
    return bias, float(miss.std()) / np.sqrt(max(count, 1.0))


def _wilson(share: float, count: float) -> tuple[float, float]:
    """Return the 90 % interval of a share. Source: Wilson (1927)."""
    square = Z90**2 / count
    centre = (share + square / 2) / (1 + square)
    half = Z90 * np.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))


def _finding(check: str, message: str) -> Finding:
    return Finding(
        level=Level.REVIEW,
        check=check,
        message=message,
        advice="'equimarginal score' shows every forecast and what came of it",
    )
