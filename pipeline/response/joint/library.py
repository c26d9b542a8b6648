"""The curves that a jointly fitted line can have: fewer where many lines share one series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.types import FloatArray
from pipeline.response.curves import SHAPES, Shape, carried_spend

RETENTIONS = (0.0, 0.3, 0.55, 0.75, 0.87, 0.94)
"""Longer than what attribution sees: television is remembered for weeks."""

RETENTION_PRIOR = (0.15, 0.2, 0.2, 0.2, 0.15, 0.1)
USUAL_SHAPES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 15, 16, 17)
"""Of the library: lines that share a series teach too little to place an S-shape finely."""

MAX_COLUMNS = 1_800  # of one series' Gram matrix: 26 MB a noise candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Retention and shape of every node a line can be at, with its prior.

    Attributes:
        retention: (n_nodes,)
        shape: (n_nodes,), index into `shapes`.
        log_prior: (n_nodes,)
    """

    retention: FloatArray
    shape: tuple[int, ...]
    shapes: tuple[Shape, ...]
    log_prior: FloatArray

    def responses(self, spend: FloatArray, reference: FloatArray) -> FloatArray:
        """Return each node's response of each line, (n_days, n_lines, n_nodes)."""
        out = np.empty((*spend.shape, self.retention.size))
        for retention in np.unique(self.retention):
            relative = carried_spend(spend, float(retention)) / reference
            for node in np.flatnonzero(self.retention == retention):
                out[:, :, node] = self.shapes[self.shape[node]].value(relative)
        return out

    def elasticities(self) -> FloatArray:
        """Return each node's elasticity at the reference spend, (n_nodes,)."""
        steep = np.array([shape.elasticity() for shape in self.shapes])
        return np.asarray(steep[list(self.shape)])


def library_for(n_lines: int) -> Library:
    """Return the library for a series of so many lines.

    Raises:
        PipelineError: one series cannot tell so many lines apart.
    """
    for retentions, shapes in (
        (range(6), USUAL_SHAPES),
        ((0, 2, 3, 5), (0, 1, 2, 3, 4, 11)),
        ((0, 2, 4), (0, 1, 2, 4)),
    ):
        if n_lines * len(retentions) * len(shapes) <= MAX_COLUMNS:
            nodes = [(r, s) for r in retentions for s in shapes]
            prior = np.array([RETENTION_PRIOR[r] * SHAPES[s].prior for r, s in nodes])
            return Library(
                retention=np.array([RETENTIONS[r] for r, _ in nodes]),
                shape=tuple(s for _, s in nodes),
                shapes=SHAPES,
                log_prior=np.log(prior / prior.sum()),
            )
    raise PipelineError(
        f"response: {n_lines} lines share one series of outcomes, at most {MAX_COLUMNS // 12} can; "
        "name the columns that outcomes are known by under sources.outcomes.by, or merge lines"
    )
