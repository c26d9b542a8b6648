"""What a joint fit knows, in the form that decisions read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.curves import ResponseTable
from pipeline.core.findings import Finding
from pipeline.core.types import FloatArray, IntArray, Line
from pipeline.response.joint.beside import Beside
from pipeline.response.joint.library import Library
from pipeline.response.value import held_values, with_mean

TAIL_DAYS = 56
"""Days after a plan whose outcomes still count for it: of the longest carry-over, which keeps 94 %
a day, four weeks leave a sixth and eight a thirtieth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointPosterior:
    """Draws of every line's curve, joint over lines.

    Attributes:
        metric: what the curves count.
        lines: (n_lines,)
        library: what a node means.
        node: (n_draws, n_lines), into the library.
        coefficient: (n_draws, n_lines), outcome a day that the reference spend causes.
        reference: (n_lines,), spend at which every shape of the library is 1.
        carried: (n_retentions, n_lines), adstock at the end of history.
        recent_spend: (n_lines,), what goes on being spent after a plan ends.
        organic: (n_draws, n_lines), what comes without spend; of a series with several lines it
            belongs to none, and is shown on them by their share of the money.
        beside: what comes beside spend, by series; what the days ahead are forecast from.
        alike: share of the series' surprises that all of them have in common.
        findings: health of the fit.
    """

    metric: str
    lines: tuple[Line, ...]
    library: Library
    node: IntArray
    coefficient: FloatArray
    reference: FloatArray
    carried: FloatArray
    recent_spend: FloatArray
    organic: FloatArray
    beside: tuple[Beside, ...]
    alike: float = 0.0
    findings: tuple[Finding, ...] = ()

    def tabulate(
        self, spend: FloatArray, rng: np.random.Generator, n_draws: int
    ) -> tuple[ResponseTable, FloatArray]:
        """Return joint posterior draws of tomorrow's value on a grid of spends, and its mean.

        Args:
            spend: (n_lines, n_knots), ascending, first column 0.
            rng: the only source of chance.
            n_draws: how many; drawn with repetition where the fit kept fewer.

        Returns:
            The draws, and the mean over every draw that was kept, (n_lines, n_knots).
        """
        kept = self.node.shape[0]
        chosen = rng.permutation(np.arange(n_draws) * kept // n_draws)
        values = self._values(spend)
        mean = np.asarray(values.mean(axis=0))
        table = ResponseTable(
            metric=self.metric,
            lines=self.lines,
            spend=spend,
            value=with_mean(values[chosen], mean),
            organic=self.organic[chosen],
        )
        return table, mean

    def value_at(self, spend: FloatArray) -> FloatArray:
        """Return what each line earns a day at a steady spend, (n_draws, n_lines).

        Args:
            spend: (n_lines,), held so long that carry-over has settled.
        """
        out = np.zeros_like(self.coefficient)
        relative = spend / self.reference
        for index, shape in enumerate(self.library.shapes):
            at = np.asarray(self.library.shape)[self.node] == index
            out += np.where(at, self.coefficient * shape.value(relative), 0.0)
        return out

    def _values(self, spend: FloatArray) -> FloatArray:
        """Return every draw's value of each spend, (n_draws, n_lines, n_knots)."""
        retentions = np.unique(self.library.retention)
        units = held_values(
            spend,
            carried=self.carried,
            recent=self.recent_spend,
            reference=self.reference,
            retentions=retentions.tolist(),
            shapes=self.library.shapes,
            tail_days=TAIL_DAYS,
        )
        retention = np.searchsorted(retentions, self.library.retention)[self.node]
        shape = np.asarray(self.library.shape)[self.node]
        lines = np.arange(len(self.lines))
        return np.asarray(self.coefficient[:, :, None] * units[retention, shape, lines])
