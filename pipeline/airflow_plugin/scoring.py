"""Scores and read-outs as Airflow runs them: what the task logs, and what its metrics say.

Metrics go wherever Airflow's own go (StatsD or OpenTelemetry); where neither is set, nowhere.
"""

from __future__ import annotations

import logging
import math
from datetime import date
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.observability import stats

from pipeline.airflow_plugin.connections import at_sources

if TYPE_CHECKING:
    from pipeline.runs.scoring import ScoreCard

log = logging.getLogger(__name__)


def score(folder: str, day: str) -> None:
    """Score a portfolio's plans as of a day, keep the scores, and send their metrics."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.scoring import score_portfolio

    portfolio = open_portfolio(folder)
    with at_sources(folder):
        card = score_portfolio(portfolio, date.fromisoformat(day))
    for name, value in metrics_of(card).items():
        log.info("%s: %s is %g", portfolio.policy.portfolio, name, value)
        stats.gauge(f"equimarginal.{portfolio.policy.portfolio}.{name}", value)


def read_out(folder: str, day: str) -> None:
    """Read out every test that is over; skipped where none was, failed where one could not be.

    Raises:
        AirflowSkipException: no test was read out today.
        AirflowFailException: a test is over and cannot be read.
    """
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.readouts import read_due

    found = read_due(folder)
    for item in found:
        log.info("%s: %s: %s", day, item.name, item.said)
    name = open_portfolio(folder).policy.portfolio
    waiting = [item for item in found if not item.is_read]
    stats.gauge(f"equimarginal.{name}.tests_under_way", len(waiting))
    if broken := [item for item in found if item.failed]:
        raise AirflowFailException("; ".join(f"test {item.name}: {item.said}" for item in broken))
    if len(waiting) == len(found):
        raise AirflowSkipException("no test is over")


def metrics_of(card: ScoreCard) -> dict[str, float]:
    """Return a score card's figures by the name that monitoring knows them by."""
    judged = card.judged
    found = {
        "alarms_in_force": float(sum(alarm.is_active for alarm in card.watch.alarms)),
        "plans_scored": float(sum(not item.line and item.horizon == 1 for item in card.scores)),
        "gain": 0.0 if judged.gain is None else judged.gain.gain,
        "missed_unsigned": judged.missed_unsigned,
    }
    total = [item for item in card.calibrations if not item.line and item.horizon == 1]
    if total:
        found["interval_coverage"] = total[0].coverage
        if math.isfinite(total[0].bias):  # there is none where nothing was forecast
            found["forecast_bias"] = total[0].bias
    for item in card.holdouts:
        if item.result is not None:
            found[f"holdout.{item.name}.lift"] = item.result.lift
    return found
