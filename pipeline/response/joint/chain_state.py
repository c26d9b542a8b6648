"""What the sampler is given, and where its chains are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray, IntArray
from pipeline.response.joint.moments import Moments

CHAINS = 40
MEDIA_SHARE = 0.25
"""Of all outcomes, what all lines cause by the prior."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One measured outcome and its lines.

    Attributes:
        moments: of the days.
        lines: (n,), which lines of the portfolio.
        full: (n,), the coefficient of a line as if spend caused everything, over the days that
            teach, and one unit of usual money as much of it in every series.
        shown: (n, n_nodes), what a coefficient of 1 causes on an average day; the mean outcome is
            1, and all lines together cause no more.
        kind: (n,), lines of one kind return alike in every series.
        noise_scale: a guess of the noise's variance.
    """

    moments: Moments
    lines: IntArray
    full: FloatArray
    shown: FloatArray
    kind: IntArray
    noise_scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiments:
    """Lift tests as the coefficients see them.

    Attributes:
        effect: (n_tests, n_lines, n_nodes), the lift that a coefficient of 1 would show.
        lifts, precisions: (n_tests,), as measured.
    """

    effect: FloatArray
    lifts: FloatArray
    precisions: FloatArray


class ChainState:
    """Where the chains are; only the sampler changes it.

    `places` says for each kind in which series its lines are and at which positions there.
    """

    def __init__(
        self, series: tuple[Series, ...], experiments: Experiments, n_lines: int, n_nodes: int
    ) -> None:
        self.series = series
        self.experiments = experiments
        self.n_nodes = n_nodes
        self.node = np.zeros((CHAINS, n_lines), dtype=np.int64)
        self.coefficient = np.zeros((CHAINS, n_lines))
        self.media = np.full(CHAINS, MEDIA_SHARE)
        self.spread = np.full(CHAINS, 0.6)
        n_kinds = 1 + max(int(item.kind.max()) for item in series)
        # With one line a kind, kinds are lines and there is no level between.
        self.has_kinds = sum(item.lines.size for item in series) > n_kinds
        self.places: list[list[tuple[int, IntArray]]] = [
            [
                (index, np.flatnonzero(item.kind == kind))
                for index, item in enumerate(series)
                if (item.kind == kind).any()
            ]
            for kind in range(n_kinds)
        ]
        self.everywhere = [(index, np.arange(item.lines.size)) for index, item in enumerate(series)]
        self.kind_share = np.full((CHAINS, n_kinds), MEDIA_SHARE)
        self.noise_index = np.zeros((CHAINS, len(series)), dtype=np.int64)
        self.noise = np.tile([item.noise_scale for item in series], (CHAINS, 1))

    def caused(self, item: Series) -> FloatArray:
        """Return what each line causes on an average day, in shares of the outcome, (chains, n)."""
        shown = item.shown[np.arange(item.lines.size), self.node[:, item.lines]]
        return np.asarray(shown * self.coefficient[:, item.lines])

    def missing(self) -> FloatArray:
        """Return what of each lift the present state leaves unexplained, (n_tests, chains)."""
        lines = np.arange(self.node.shape[1])
        shown = self.experiments.effect[:, lines, self.node]  # (n_tests, chains, n_lines)
        return np.asarray(self.experiments.lifts[:, None] - (shown * self.coefficient).sum(axis=2))

    def scale(self, places: list[tuple[int, IntArray]], factor: FloatArray) -> None:
        """Change some lines' coefficients by a factor of each chain."""
        for index, own in places:
            self.coefficient[:, self.series[index].lines[own]] *= factor[:, None]
