"""The grid of non-linear parameters on which a line's posterior lives, and its prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from pipeline.core.types import FloatArray
from pipeline.response.curves import RETENTIONS, SHAPES, Shape

DRIFTS = (
    (0.0015, 0.015), (0.0015, 0.05), (0.006, 0.015), (0.015, 0.03), (0.04, 0.03), (0.004, 0.12),
)  # fmt: skip
"""How a line's relative level wanders, candidates: daily deviation of a random walk, which makes
old evidence on the level fade, and of a shock of the line's own, which fades itself."""

SHOCK_KEPT = 0.85
"""Share of such a shock that is still there the day after."""

SHARES = np.linspace(0.02, 0.98, 13)
"""Share of the outcome at reference spend that spend causes, candidates."""

SHARE_BETA = (1.5, 1.2)
"""Of a line's incremental share, a priori, and hardly more than flat. Over kinds of lines, from
brand search to prospecting, a little more than half of what is reported is caused."""

DRIFT_PRIOR = np.array([0.25, 0.15, 0.25, 0.15, 0.08, 0.12])
RETENTION_PRIOR = np.full(len(RETENTIONS), 1 / len(RETENTIONS))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Candidates of each factor with their prior weights, each summing to 1.

    Attributes:
        drifts: (n_drifts, 2), daily deviation of the walk and of the shock.
        retentions: share of the carried effect kept per day.
        shapes: of the response.
        shares: of the outcome at the reference spend that spend causes.
    """

    drifts: FloatArray
    drift_prior: FloatArray
    retentions: FloatArray
    retention_prior: FloatArray
    shapes: tuple[Shape, ...]
    shape_prior: FloatArray
    shares: FloatArray
    share_prior: FloatArray
    elasticity: FloatArray

    @property
    def nodes(self) -> tuple[int, int, int]:
        """How many retentions, shapes and shares there are."""
        return len(self.retentions), len(self.shapes), len(self.shares)

    def log_prior(self) -> FloatArray:
        """Return the log prior of every node, (n_retentions, n_shapes, n_shares)."""
        out = np.log(self.retention_prior)[:, None, None] + np.log(self.shape_prior)[:, None]
        return np.asarray(out + np.log(self.share_prior))


def make_grid(
    drifts: tuple[int, ...], retentions: tuple[int, ...], shapes: tuple[int, ...], every: int = 1
) -> Grid:
    """Return the grid of those candidates, and of every n-th share."""
    shares = SHARES[::every]
    chosen = tuple(SHAPES[i] for i in shapes)
    return Grid(
        drifts=np.asarray(DRIFTS)[list(drifts)],
        drift_prior=_whole(DRIFT_PRIOR[list(drifts)]),
        retentions=np.asarray(RETENTIONS)[list(retentions)],
        retention_prior=_whole(RETENTION_PRIOR[list(retentions)]),
        shapes=chosen,
        shape_prior=_whole(np.array([shape.prior for shape in chosen])),
        shares=shares,
        share_prior=_whole(beta.pdf(shares, *SHARE_BETA)),
        elasticity=np.outer([shape.elasticity() for shape in chosen], shares),
    )


def _whole(weights: FloatArray) -> FloatArray:
    return np.asarray(weights / weights.sum())


FULL = make_grid(
    tuple(range(len(DRIFTS))), tuple(range(len(RETENTIONS))), tuple(range(len(SHAPES)))
)
COARSE = make_grid((2, 3), (0, 2, 4), (0, 2, 4, 11), every=2)
"""A tenth of the nodes: enough to part demand from response before the last sweeps."""
