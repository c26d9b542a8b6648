"""What an earlier morning knew, and what its night would have learned from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.history import History, LiftTest, Vintages
from pipeline.core.types import FloatArray
from pipeline.response import Fitted, fit_metric
from pipeline.response.plausible import judge

SNAPSHOTS = 28  # earlier nights that are said to have seen what is reported today


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a night knew: the days before it, and what earlier nights had seen of them.

    Attributes:
        history: the days before, without the cells that the night distrusted.
        vintages: how outcomes had filled up.
        lift_tests: whose results were known.
        as_known: whether it is what the night really saw, and not what is reported now.
        fault: why that night would have learned nothing; empty where it would.
    """

    history: History
    vintages: Vintages
    lift_tests: tuple[LiftTest, ...] = ()
    as_known: bool = False
    fault: str = ""

    def fitted(self, metric: str, rng: np.random.Generator) -> Fitted:
        """Return the posterior that the night would have planned with, of the objective."""
        tests = judge(self.history, metric, self.lift_tests, of_all=False).tests
        return fit_metric(self.history, metric, rng, vintages=self.vintages, lift_tests=tests)


def settled(
    history: History, metric: str, *, lift_tests: tuple[LiftTest, ...] = (), fault: str = ""
) -> Past:
    """Return a past that is reported long after: each day, and what leads it, was whole at once.

    Args:
        history: the days before, as they are reported now.
        metric: the objective.
        lift_tests, fault: as of `Past`.
    """
    side = history.outcome_side
    counted = side.outcomes["conversions" if "conversions" in side.outcomes else metric]
    leads = {
        name: lead
        if lead.vintages is None
        else replace(lead, vintages=_whole_at_once(history, lead.table))
        for name, lead in history.leads.items()
    }
    return Past(
        history=replace(history, leads=leads),
        vintages=_whole_at_once(side, counted),
        lift_tests=lift_tests,
        fault=fault,
    )


def _whole_at_once(past: History, table: FloatArray) -> Vintages:
    """Return what nights would have seen of a metric that never arrives late.

    Args:
        table: (n_days, n_lines) of the metric.
    """
    cut = len(past.days)
    names = [line[0] for line in past.lines]
    groups = sorted(set(names))
    member = np.array([[name == group for group in groups] for name in names], dtype=float)
    totals = np.nan_to_num(table) @ member
    ordinals = np.array([day.toordinal() for day in past.days], dtype=float)
    night, age = (axis.ravel() for axis in np.mgrid[cut - SNAPSHOTS : cut, 1 : SNAPSHOTS + 1])
    day = night - age
    return Vintages(
        seen_on=np.repeat(ordinals[night], len(groups)),
        day=np.repeat(ordinals[day], len(groups)),
        group=tuple(groups) * day.size,
        outcome=totals[day].ravel(),
    )
