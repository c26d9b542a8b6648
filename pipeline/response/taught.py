"""What is known of lines that lift tests measured, and draws of them, alone and together.

The days know a line's whole outcome; a test measures the part of it that spend causes. So that part
is known beside the level: given a node of the grid, a normal, cut off at zero.
Mathematics: docs/model.md, "Experiments".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from scipy.special import log_ndtr, ndtri, ndtri_exp

from pipeline.core.types import FloatArray, IntArray
from pipeline.response.curves import MEMBERS, SHAPES

Node: TypeAlias = tuple[IntArray, IntArray, IntArray]
"""Retention, shape and share of each draw, as indices, (n_draws,) each."""

MEMBER = np.array(
    [
        np.full(MEMBERS, 1.0 / MEMBERS) if shape.slope <= 1.0 else np.eye(MEMBERS)[0]
        for shape in SHAPES
    ]
)
"""How likely each member of a shape's cell is on a line that a test measured, (n_shapes, MEMBERS).
An S-shape stands for itself there: it is what days and test agree on, and a steeper one that
neither of them was held against would turn a low lift into a step that more money climbs."""

PAIRED = 0.2
"""Of what a test leaves unsure of a sum: as far as drawn sums may be from where they should."""
PASSES = 40  # of pairing draws; a dozen mostly do


@dataclass(frozen=True, slots=True, kw_only=True)
class Caused:
    """Normals, cut off at zero, one a node.

    Attributes:
        precision, shift: (n_lines, n_retentions, n_shapes, n_shares), one over the variance, and
            the mean times that; of the normals before they are cut.
    """

    precision: FloatArray
    shift: FloatArray

    def taught(self, precision: FloatArray, shift: FloatArray) -> Caused:
        """Return them after evidence of that precision on each node."""
        return Caused(precision=self.precision + precision, shift=self.shift + shift)

    def log_mass(self) -> FloatArray:
        """Return the log of what the normals, not scaled, enclose above zero."""
        above = self.shift / np.sqrt(self.precision)
        return np.asarray(0.5 * (np.square(above) - np.log(self.precision)) + log_ndtr(above))

    def moments(self) -> tuple[FloatArray, FloatArray]:
        """Return mean and variance of the cut normals."""
        root = np.sqrt(self.precision)
        above = self.shift / root
        far = above < -30.0  # where digits would cancel, the tail is nearly exponential
        tail = -1.0 / np.where(far, above, -30.0)
        near = np.where(far, 0.0, above)
        hazard = np.exp(-0.5 * np.square(near) - log_ndtr(near)) / np.sqrt(2 * np.pi)
        mean = np.where(far, tail - 2 * tail**3, near + hazard)
        variance = np.where(far, tail**2 - 6 * tail**4, 1.0 - hazard * (near + hazard))
        return mean / root, np.maximum(variance, 1e-12) / self.precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """One test on several lines, for drawing them together.

    Attributes:
        rows: (n,), of `Taught.lines`.
        effect: (n, n_retentions, n_shapes), the lift for each unit that spend causes.
        spread: of the lift, a standard deviation: what the test leaves unsure of the sum.
    """

    rows: IntArray
    effect: FloatArray
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a test says beside what the days said.

    Attributes:
        name: of the test.
        lift, variance: as measured, aged.
        expected, doubt: the lift by the days, its mean and variance.
    """

    name: str
    lift: float
    variance: float
    expected: float
    doubt: float


def told_whole(parts: Sequence[tuple[Told, ...]]) -> tuple[Told, ...]:
    """Return what tests say, a test that several fits heard of as one.

    Each fit hears of its lines' part of the lift with the whole error, and of a test once.
    """
    whole = list[Told]()
    for part in parts:
        earlier = {(each.name, each.variance): place for place, each in enumerate(whole)}
        for each in part:
            place = earlier.pop((each.name, each.variance), None)
            if place is None:
                whole.append(each)
                continue
            whole[place] = replace(
                each,
                lift=whole[place].lift + each.lift,
                expected=whole[place].expected + each.expected,
                doubt=whole[place].doubt + each.doubt,
            )
    return tuple(whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """Lines that tests measured.

    Attributes:
        lines: (n,), ascending.
        mean, sd: (n, n_retentions, n_shapes, n_shares), of what spend causes a day at the
            reference spend, in the metric's units: a normal cut off at zero.
        together: tests on more than one line.
        told: of every test.
    """

    lines: IntArray
    mean: FloatArray
    sd: FloatArray
    together: tuple[Together, ...] = ()
    told: tuple[Told, ...] = ()

    @staticmethod
    def none() -> Taught:
        """Return what no test taught."""
        nothing, lines = np.empty((0, 1, 1, 1)), np.empty(0, dtype=np.int64)
        return Taught(lines=lines, mean=nothing, sd=nothing)

    def row(self, line: int) -> int | None:
        """Return which of its lines that is, None where no test measured it."""
        found = int(np.searchsorted(self.lines, line))
        return found if found < self.lines.size and self.lines[found] == line else None

    def expected(self, rows: slice) -> FloatArray:
        """Return the mean of what spend causes of some lines, on every node."""
        precision = 1.0 / np.square(self.sd[rows])
        return Caused(precision=precision, shift=self.mean[rows] * precision).moments()[0]

    def draw(self, row: int, node: Node, rng: np.random.Generator) -> FloatArray:
        """Return draws of what spend causes of a line, given the node of each, (n_draws,)."""
        centred = self.mean[row][node] / self.sd[row][node]
        tail = np.log(1.0 - rng.random(centred.size)) + log_ndtr(centred)
        return np.asarray(np.maximum((centred - ndtri_exp(tail)) * self.sd[row][node], 0.0))

    def shown(self, row: int, node: Node, caused: FloatArray) -> FloatArray:
        """Return what a line's draws would have shown in each test on several lines.

        Returns:
            (n_tests, n_draws); 0 in tests of other lines.
        """
        out = np.zeros((len(self.together), caused.size))
        for index, test in enumerate(self.together):
            for place in np.flatnonzero(test.rows == row).tolist():
                out[index] = test.effect[place, node[0], node[1]] * caused
        return out

    def pair(
        self,
        shown: Sequence[FloatArray],
        tables: Sequence[np.ndarray],
        rng: np.random.Generator,
    ) -> None:
        """Put every line's draws in an order under which sums scatter as the tests say.

        Lines that a test measured together are known together: one that earns more leaves less
        for the others. Every line keeps its draws; which of them meet is chosen: again and again
        each is moved by its part of what the sum is away from a draw of it, and its draws take the
        ranks of that.

        Args:
            shown: of each of these lines, from `shown`.
            tables: (n_draws, n_lines, ...), of all lines; ordered in place.
            rng: the only source of chance.
        """
        if not self.together:
            return
        order = self._order(np.stack(shown, axis=-1), rng)
        for table in tables:
            for row, line in enumerate(self.lines.tolist()):
                table[:, line] = table[order[:, row], line]

    def _order(self, table: FloatArray, rng: np.random.Generator) -> IntArray:
        """Return the order of draws, (n_draws, n), from what they show, (n_tests, n_draws, n)."""
        n_draws = table.shape[1]
        order = np.tile(np.arange(n_draws)[:, None], table.shape[2])
        even = ndtri((np.arange(n_draws) + 0.5) / n_draws)
        wanted = [
            table[index].sum(axis=1).mean() + test.spread * rng.permutation(even)
            for index, test in enumerate(self.together)
        ]
        for _ in range(PASSES):
            worst = 0.0
            for index, test in enumerate(self.together):
                own = table[index][:, test.rows]
                part = own.var(axis=0) / max(float(own.var(axis=0).sum()), 1e-300)
                now = np.take_along_axis(own, order[:, test.rows], axis=0)
                away = now.sum(axis=1) - wanted[index]
                worst = max(worst, float(away.std()) / test.spread)
                rank = np.argsort(now - part * away[:, None], axis=0, kind="stable")
                ascending = np.argsort(own, axis=0, kind="stable")
                placed = np.empty_like(rank)
                np.put_along_axis(placed, rank, ascending, axis=0)
                order[:, test.rows] = placed
            if worst < PAIRED:
                break
        return order
