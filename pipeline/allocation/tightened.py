"""Guardrails asked for a little more than they need, where rounding left a plan short of them."""

from __future__ import annotations

from dataclasses import replace

from pipeline.allocation.problem import Problem
from pipeline.core.types import FloatArray


def tightened(problem: Problem, spend: FloatArray) -> Problem:
    """Return the problem with guardrails that ask for twice what the split falls short of.

    Linear programs keep a limit to a few parts in ten million, and tables read a curve to about
    as much; guardrails are kept closer.
    """
    rails = []
    for rail in problem.guardrails:
        short = max(-problem.slack(rail, spend), 0.0)
        per = 1.0 if rail.per is None else problem.measure(rail.per, spend)
        shift = rail.sign * 2 * short / per if per > 0 else 0.0
        low = None if rail.min is None else rail.min + shift
        high = None if rail.max is None else rail.max + shift
        rails.append(replace(rail, min=low, max=high))
    return problem.changed(guardrails=tuple(rails))
