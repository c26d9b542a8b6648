"""What the fit knows, and what tomorrow's money would earn under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.core.curves import ResponseTable
from pipeline.core.findings import Finding
from pipeline.core.types import FloatArray, IntArray, Line, SingleArray
from pipeline.response.cells import Weeks
from pipeline.response.curves import MEMBERS, RETENTIONS, SHAPES, Shape
from pipeline.response.grid import SHARES
from pipeline.response.health import Health
from pipeline.response.maturity import MAX_AGE
from pipeline.response.population import Population
from pipeline.response.special_days import DAYS_AHEAD
from pipeline.response.taught import MEMBER, Node, Taught
from pipeline.response.value import held_values, with_mean

TAIL_DAYS = 28
"""Days after that fortnight whose outcomes still count for it."""

LEAST_LEVEL = 1e-9  # counts a day: of a line that never showed any

BLOCK_LINES = 100
"""Lines whose unit values are held at once: they are half as large as the draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """Exact posterior on the grid, per line.

    Attributes:
        metric: what the curves count.
        lines: (n_lines,)
        weights: (n_lines, n_retentions, n_shapes, n_shares), summing to 1 a line.
        population: what lines have in common, as far as it is known.
        level_mean, level_sd: same shape; today's outcome at the reference spend.
        drift: (n_lines, n_drifts), how each line's level wanders, summing to 1 a line.
        reference: (n_lines,), spend at which every library shape is 1.
        carried: (n_retentions, n_lines), adstock at the end of history.
        recent_spend: (n_lines,), what goes on being spent after a plan ends.
        weeks: where the curves of a cell have to meet.
        demand: (n_lines,), expected demand factor of tomorrow.
        worth, worth_sd: (n_lines,), north-star metric per counted outcome (1 when it is counted
            itself).
        shared_sd: of log demand, the part of tomorrow that no line knows.
        ahead, ahead_sd: (DAYS_AHEAD,), log demand that the names of the coming days say, and its
            error; tomorrow's is in `demand` and `shared_sd` already.
        completeness: share of a day's outcomes known 1, 2, ... days later.
        taught: lines that lift tests measured; what spend causes there is known beside the level.
        health: what `findings` rest on.
    """

    metric: str
    lines: tuple[Line, ...]
    weights: SingleArray
    population: Population
    level_mean: SingleArray
    level_sd: SingleArray
    drift: FloatArray
    reference: FloatArray
    carried: FloatArray
    recent_spend: FloatArray
    weeks: Weeks
    demand: FloatArray
    worth: FloatArray
    worth_sd: FloatArray
    shared_sd: float
    health: Health
    ahead: FloatArray = field(default_factory=lambda: np.zeros(DAYS_AHEAD))
    ahead_sd: FloatArray = field(default_factory=lambda: np.zeros(DAYS_AHEAD))
    completeness: FloatArray = field(default_factory=lambda: np.ones(MAX_AGE))
    taught: Taught = field(default_factory=Taught.none)
    findings: tuple[Finding, ...] = ()

    def summary(self) -> dict[str, FloatArray]:
        """Return what people ask of each line, (n_lines, 3) each: mean, p05 and p95.

        `incremental_share` is the part of today's outcome at the reference spend that spend
        causes, `elasticity` the relative change of the whole outcome per relative change of
        spend there, `retention` the share kept per day, `half_saturation` the spend that earns
        half of what five times the reference spend earns.
        """
        grid = np.linspace(0.0, 5.0, 501)
        halves = np.array(
            [grid[np.searchsorted(c, c[-1] / 2)] for c in (s.value(grid) for s in SHAPES)]
        )
        steep = np.array([shape.elasticity() for shape in SHAPES])
        weights = self.weights
        out = {
            "incremental_share": _quantiles(weights.sum(axis=(1, 2)), SHARES),
            "elasticity": _quantiles(weights.sum(axis=1), np.outer(steep, SHARES)),
            "retention": _quantiles(weights.sum(axis=(2, 3)), np.asarray(RETENTIONS)),
        }
        out["half_saturation"] = (
            _quantiles(weights.sum(axis=(1, 3)), halves) * self.reference[:, None]
        )
        return out

    def tabulate(
        self,
        spend: FloatArray,
        rng: np.random.Generator,
        n_draws: int,
        common: np.random.Generator | None = None,
    ) -> tuple[ResponseTable, FloatArray]:
        """Return joint posterior draws of tomorrow's value on a grid of spends, and its mean.

        Args:
            spend: (n_lines, n_knots), ascending, first column 0.
            rng: the only source of chance.
            n_draws: how many.
            common: of what these lines share with lines of other fits; by default `rng`.

        Returns:
            The draws, and the exact posterior mean, (n_lines, n_knots).
        """
        value = np.empty((n_draws, *spend.shape), dtype=np.float32)
        organic, mean = np.empty((n_draws, len(spend))), np.empty(spend.shape)
        members = [member for shape in SHAPES for member in shape.cell()]
        blocks = [slice(first, first + BLOCK_LINES) for first in range(0, len(spend), BLOCK_LINES)]
        common = common or rng
        hypothesis, alike = self.population.draw(common, n_draws), common.standard_normal(n_draws)
        shown = list[FloatArray]()
        for block in blocks:
            units = self._unit_values(spend, block, members)
            stretch = self._stretch(block)
            mean[block] = self._mean_of(units, stretch, block)
            for index, unit in enumerate(np.moveaxis(units, 2, 0), start=block.start):
                node = self.draw_nodes(index, hypothesis, rng)
                level = self.draw_level(index, node, rng)
                member = self.draw_member(index, node, rng)
                caused = self.draw_caused(index, node, level, rng)
                shown += self.shown(index, node, caused)
                caused = caused * stretch[index - block.start, node[1], node[2], member]
                effect = caused[:, None] * self.demand[index]
                value[:, index] = effect * unit[node[0], node[1] * MEMBERS + member]
                organic[:, index] = np.maximum(level - caused, 0.0) * self.demand[index]
        self.taught.pair(shown, (value, organic), rng)
        shared = np.exp(self.shared_sd * alike - 0.5 * self.shared_sd**2)
        for block in blocks:
            value[:, block] = with_mean(value[:, block] * shared[:, None, None], mean[block])
        organic *= shared[:, None]
        table = ResponseTable(
            metric=self.metric,
            lines=self.lines,
            spend=spend,
            value=value,
            organic=organic,
        )
        return table, mean

    def draw_nodes(
        self, line: int, hypothesis: IntArray, rng: np.random.Generator
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return draws of a line's retention, shape and share, as indices, (n_draws,) each.

        Args:
            line: whose.
            hypothesis: (n_draws,), what holds for all lines in each draw.
            rng: the only source of chance.
        """
        weights = self.weights[line]
        table = np.cumsum(self.population.given(line, weights), axis=1)
        # Each hypothesis gets its nodes as often as it should: strata within its own draws.
        order = np.argsort(hypothesis + rng.random(hypothesis.size))
        ordered = hypothesis[order]
        count = np.bincount(hypothesis, minlength=len(table))
        within = np.arange(ordered.size) - (np.cumsum(count) - count)[ordered]
        point = (within + rng.random(ordered.size)) / count[ordered] * table[ordered, -1]
        chosen = (table[ordered] < point[:, None]).sum(axis=1).clip(max=table.shape[1] - 1)
        node = np.empty_like(chosen)
        node[order] = chosen
        kept = np.cumsum(weights.reshape(len(weights), -1)[:, node], axis=0, dtype=np.float64)
        retention = (kept < rng.random(node.size) * kept[-1]).sum(axis=0).clip(max=len(kept) - 1)
        shape, share = np.unravel_index(node, weights.shape[1:])
        return retention, shape, share

    def draw_level(self, line: int, node: Node, rng: np.random.Generator) -> FloatArray:
        """Return draws of a line's level today, in the metric's units, (n_draws,).

        Args:
            line: whose.
            node: as drawn by `draw_nodes`.
            rng: the only source of chance.
        """
        mean, sd = self.level_mean[line][node], self.level_sd[line][node]
        least = np.maximum(0.05 * mean, LEAST_LEVEL)
        level = np.maximum(mean + sd * rng.standard_normal(mean.size), least)
        worth = self.worth[line] + self.worth_sd[line] * rng.standard_normal(mean.size)
        return np.asarray(level * np.maximum(worth, 0.1 * self.worth[line]))

    def draw_member(self, line: int, node: Node, rng: np.random.Generator) -> IntArray:
        """Return draws of the member of each node's cell, (n_draws,)."""
        member = rng.integers(MEMBERS, size=node[0].size)
        return member if self.taught.row(line) is None else member * (MEMBER[node[1], 0] < 1.0)

    def draw_caused(
        self, line: int, node: Node, level: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Return draws of the part of a level that spend causes, (n_draws,).

        Args:
            line: whose.
            node: as drawn by `draw_nodes`.
            level: (n_draws,), which a lift test knows nothing of.
            rng: the only source of chance.
        """
        row = self.taught.row(line)
        if row is None:
            return np.asarray(level * SHARES[node[2]])
        return self.taught.draw(row, node, rng)

    def shown(self, line: int, node: Node, caused: FloatArray) -> list[FloatArray]:
        """Return what a treated line's draws would have shown in tests, nothing for others."""
        row = self.taught.row(line)
        return [] if row is None else [self.taught.shown(row, node, caused)]

    def _unit_values(self, spend: FloatArray, block: slice, shapes: Sequence[Shape]) -> SingleArray:
        """Return what `held_values` does for a level x share of 1, for a block of lines."""
        return held_values(
            spend[block],
            carried=self.carried[:, block],
            recent=self.recent_spend[block],
            reference=self.reference[block],
            retentions=RETENTIONS,
            shapes=shapes,
            tail_days=TAIL_DAYS,
        )

    def _stretch(self, block: slice) -> SingleArray:
        """Return `Weeks.stretch` of lines; 1 where a test measured what spend causes."""
        stretch = self.weeks.stretch(block)
        treated = self.taught.lines
        stretch[treated[(treated >= block.start) & (treated < block.stop)] - block.start] = 1.0
        return stretch

    def _mean_of(self, units: SingleArray, stretch: SingleArray, block: slice) -> FloatArray:
        """Return the exact mean of values, (n_lines, n_knots), every curve of a cell as likely."""
        units = units.reshape(len(units), len(SHAPES), -1, *units.shape[2:])
        caused = self.weights[block] * self.level_mean[block] * (SHARES / MEMBERS)
        effect = np.einsum("lrsh,lshm->lrsm", caused, stretch)
        scale = (self.worth[block] * self.demand[block])[:, None]
        out = np.asarray(scale * np.einsum("lrsm,rsmlk->lk", effect, units))
        first, last = np.searchsorted(self.taught.lines, (block.start, block.stop))
        if first < last:
            lines = self.taught.lines[first:last]
            effect = (self.weights[lines] * self.taught.expected(slice(first, last))).sum(axis=3)
            own = units[:, :, :, lines - block.start]
            earned = np.einsum("lrs,sm,rsmlk->lk", effect, MEMBER, own)
            out[lines - block.start] = self.demand[lines, None] * earned
        return out


def _quantiles(weights: SingleArray, values: FloatArray) -> FloatArray:
    """Return mean, p05 and p95 of a discrete distribution per line, (n_lines, 3)."""
    flat, points = weights.reshape(weights.shape[0], -1), values.reshape(-1)
    order = np.argsort(points, kind="stable")
    below = np.cumsum(flat[:, order], axis=1, dtype=np.float64)
    ordered = points[order]
    low = ordered[np.minimum((below < 0.05).sum(axis=1), points.size - 1)]
    high = ordered[np.minimum((below < 0.95).sum(axis=1), points.size - 1)]
    return np.column_stack([flat @ points, low, high])
