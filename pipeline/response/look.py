"""What one sweep sees before lines are learned: demand given the curves, and what is left over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray, SingleArray
from pipeline.response.belief import Belief, Freed, Prepared, shown
from pipeline.response.chase import chase_sd, fast_movement
from pipeline.response.demand import Demand, estimate_demand
from pipeline.response.evidence import single
from pipeline.response.noise import Scatter
from pipeline.response.population import CommonElasticity, common_elasticity, common_movement
from pipeline.response.slope import mean_slope

LOADING_SD = 0.3  # of how strongly a line feels the demand that lines share, around 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a sweep sees before lines are learned.

    Attributes:
        freed: outcomes without demand, completeness and the jumps that are known.
        scatter: how far they lie around what is expected.
        in_common: (n_days,), and
        fast: (n_days, n_lines), the movements of money that lines must not learn from.
    """

    demand: Demand
    freed: Freed
    scatter: Scatter
    common: CommonElasticity
    in_common: FloatArray
    fast: SingleArray

    def nuisances(self, belief: Belief, block: slice) -> SingleArray:
        """Return the movements that must teach nothing, (n_nuisances, n_days, n_lines in block)."""
        modes = self.demand.modes_of(block)
        out = np.empty((3 + len(modes), *modes.shape[1:]), dtype=np.float32)
        relative = belief.expected[:, block] / single(belief.level[block])
        out[0] = self.in_common[:, None]
        np.multiply(self.fast[:, block], relative, out=out[1])
        np.log(self.demand.factor[:, block], out=out[2])
        out[2] *= np.float32(LOADING_SD) * relative
        np.multiply(modes, relative, out=out[3:])
        return out


def look(data: Prepared, belief: Belief) -> Seen:
    """Return demand given the curves, and how far days lie around both."""
    usable, share, movement = data.screened.usable, data.maturity.share, belief.movement
    breaks = belief.breaks
    expected = breaks.scale(belief.expected * share)
    relative = np.where(usable, belief.unit / np.maximum(expected, 1e-6) + belief.noise, np.inf)
    fast = fast_movement(movement)
    usual, slow = breaks.scale(belief.base * share), movement - fast
    told = mean_slope(data.outcome, usual, slow, relative, belief.wander, belief.own)
    common = common_elasticity(*told, relative)
    in_common = common_movement(movement, relative, common.error)
    del expected, usual, slow, relative  # a hundred thousand lines have to fit
    demand = estimate_demand(
        shown(data, belief, common.mean),
        data.groups,
        data.weekdays,
        np.square(data.maturity.log_sd),
        data.named,
    )
    scale = breaks.scale(day_scale(data, demand))
    outcome = single(data.outcome) / scale
    scatter = Scatter.of(outcome, scale, belief.expected, belief.unit, demand, usable)
    freed = Freed(breaks=breaks, outcome=outcome, variance=scatter.variance(scale))
    fast *= np.float32(chase_sd(outcome, belief.expected, freed.variance, movement, fast))
    return Seen(
        demand=demand, freed=freed, scatter=scatter, common=common, in_common=in_common, fast=fast
    )


def day_scale(data: Prepared, demand: Demand) -> SingleArray:
    """Return what a day reports of an ordinary one, (n_days, n_lines), beside jumps of levels."""
    return np.asarray(demand.factor * single(data.maturity.share))
