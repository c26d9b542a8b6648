"""The posterior of one metric, from whatever its outcomes are known by."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from pipeline.core.history import History, LiftTest, Vintages
from pipeline.response.blocks import RunBlocks, run_here
from pipeline.response.fit import FitSettings, fit_response
from pipeline.response.joint import JointPosterior, fit_joint
from pipeline.response.posterior import Posterior

Fitted: TypeAlias = Posterior | JointPosterior


def fit_metric(
    history: History,
    metric: str,
    rng: np.random.Generator,
    *,
    is_objective: bool = True,
    vintages: Vintages | None = None,
    lift_tests: tuple[LiftTest, ...] = (),
    run_blocks: RunBlocks = run_here,
) -> Fitted:
    """Return the posterior of every line's curve.

    Args:
        history: where outcomes are measured for groups of lines, one joint fit is made.
        metric: the outcome whose response is wanted; revenue as an objective is learned from
            conversions where there are any, and from what one is worth.
        rng: used by the joint fit alone.
        is_objective: whether the plan maximises the metric.
        vintages: earlier snapshots, for how complete the last days are.
        lift_tests: experiments; those of another metric are left out (`plausible.judge` names
            them, and those that cannot be).
        run_blocks: where lines' evidence is computed; a joint fit has no use for it.
    """
    tests = experiments_on(metric, lift_tests)
    if history.measured is not None:
        return fit_joint(history, metric, rng, lift_tests=tests)
    is_counted = is_objective and metric == "revenue" and "conversions" in history.outcomes
    settings = FitSettings(
        metric=metric, count="conversions" if is_counted else None, is_led=is_objective
    )
    return fit_response(
        history, settings, vintages=vintages, lift_tests=tests, run_blocks=run_blocks
    )


def experiments_on(metric: str, lift_tests: tuple[LiftTest, ...]) -> tuple[LiftTest, ...]:
    """Return the experiments that measured the metric, by name or as the objective."""
    return tuple(test for test in lift_tests if test.metric in {"", metric})
