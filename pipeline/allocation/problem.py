"""The one problem: curves, money, limits, and what may not get worse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from pipeline.allocation.curves import Curves
from pipeline.core.errors import ConfigError
from pipeline.core.types import FloatArray, IntArray

SPEND = "spend"
OUTCOME = "outcome"
BUDGET = "budget"  # the name of the total among limits and prices
_RAIL_SLACK = 1e-8  # of a guardrail's terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A limit on the total spend of some lines. Groups may nest and may cut across each other."""

    id: str
    members: IntArray
    min: float = 0.0
    max: float = math.inf

    def __post_init__(self) -> None:
        if not (0 <= self.min <= self.max and self.min < math.inf):
            raise ConfigError(
                f"group {self.id!r}: need 0 <= min <= max, got min={self.min:g}, max={self.max:g}"
            )

    def limit_name(self, side: str) -> str:
        """Return what the user calls the group's limit; `side` is "min" or "max"."""
        return self.id if self.id.endswith(f" {side}") else f"{self.id} {side}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A total over lines: `spend`, `outcome` (the objective's curves) or a named metric.

    Attributes:
        members: the lines that count; None for all.
        constant: what comes without any of this spend, such as organic conversions.
    """

    metric: str
    members: IntArray | None = None
    constant: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """`over / per` must stay at or above `min`, or at or below `max`; without `per`, `over` must.

    The ratio is kept in the form `over - min * per >= 0`, which also means something where `per`
    is 0, and which is concave whenever the limit asks for more of a concave outcome.
    """

    id: str
    over: Quantity
    per: Quantity | None = None
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if (self.min is None) == (self.max is None):
            raise ConfigError(f"guardrail {self.id!r}: give exactly one of min and max")
        if not math.isfinite(self.limit):
            raise ConfigError(f"guardrail {self.id!r}: need a finite limit, got {self.limit!r}")

    @property
    def limit(self) -> float:
        """The number on the right."""
        return float(self.min if self.min is not None else self.max or 0.0)

    @property
    def sign(self) -> float:
        """1 where more of `over` is safe, -1 where less is."""
        return 1.0 if self.min is not None else -1.0

    def terms(self) -> tuple[tuple[float, Quantity], ...]:
        """Return weights and quantities whose weighted sum must be at least `threshold`."""
        if self.per is None:
            return ((self.sign, self.over),)
        return ((self.sign, self.over), (-self.sign * self.limit, self.per))

    @property
    def threshold(self) -> float:
        """What the weighted sum of the terms must reach."""
        return self.sign * self.limit if self.per is None else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """How much money may go where, and what it earns there.

    Arrays are per line. Every field is checked, so a solver never meets nonsense.

    Attributes:
        ids: name of each line, distinct.
        curves: what each line's spend earns; the objective is their sum.
        lower, upper: least and most spend; equal for a fixed line; `upper` may be infinite.
        gate: least spend when there is any at all; 0 for none.
        budget: money to split; infinite where only guardrails hold it back.
        exactly: whether all of it has to be spent.
        current: today's spend, where known; a plan is never worse than it if it is allowed.
        groups: limits on sums.
        guardrails: ratios and totals that may not get worse.
        metrics: curves of further metrics that guardrails name, same lines.
        limit_names: what the user calls a line's bound, by (line index, "min" or "max"); without
            an entry it is the line's id and "min", "max" or "fixed".
    """

    ids: tuple[str, ...]
    curves: Curves
    lower: FloatArray
    upper: FloatArray
    budget: float
    exactly: bool = True
    gate: FloatArray | None = None
    current: FloatArray | None = None
    groups: tuple[Group, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    metrics: Mapping[str, Curves] = field(default_factory=dict)
    limit_names: Mapping[tuple[int, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = len(self.ids)
        if len(set(self.ids)) != size:
            twice = sorted({item for item in self.ids if self.ids.count(item) > 1})[:3]
            raise ConfigError(f"lines: the id {twice} is given twice; ids must differ")
        arrays = {"lower": self.lower, "upper": self.upper}
        arrays |= {"gate": self.gate} if self.gate is not None else {}
        arrays |= {"current": self.current} if self.current is not None else {}
        for name, array in arrays.items():
            if array.shape != (size,) or not (array >= 0).all():
                raise ConfigError(f"{name}: need {size} numbers that are not negative")
        if not (self.lower <= self.upper).all() or not np.isfinite(self.lower).all():
            worst = int(np.argmax(self.lower - self.upper))
            raise ConfigError(
                f"line {self.ids[worst]!r}: min {self.lower[worst]:g} is above "
                f"max {self.upper[worst]:g}"
            )
        if not self.budget >= 0 or (self.exactly and not math.isfinite(self.budget)):
            raise ConfigError(f"budget: need an amount that is not negative, got {self.budget!r}")
        self._check_names()

    def _check_names(self) -> None:
        names = [group.id for group in self.groups] + [rail.id for rail in self.guardrails]
        if len(set(names)) != len(names) or BUDGET in names:
            raise ConfigError(
                f"groups and guardrails: ids must differ and not be {BUDGET!r}, got {names[:10]}"
            )
        for rail in self.guardrails:
            for _, quantity in rail.terms():
                if quantity.metric not in (SPEND, OUTCOME, *self.metrics):
                    known = [SPEND, OUTCOME, *self.metrics]
                    raise ConfigError(
                        f"guardrail {rail.id!r}: metric {quantity.metric!r} has no curves, "
                        f"need one of {known}"
                    )

    @property
    def size(self) -> int:
        """Number of lines."""
        return len(self.ids)

    @classmethod
    def from_tables(
        cls,
        *,
        ids: Sequence[str],
        spend: FloatArray,
        value: FloatArray,
        lower: FloatArray,
        upper: FloatArray,
        budget: float,
        exactly: bool = True,
        current: FloatArray | None = None,
        groups: Sequence[Group] = (),
        guardrails: Sequence[Guardrail] = (),
        metrics: Mapping[str, FloatArray] | None = None,
        limit_names: Mapping[tuple[int, str], str] | None = None,
        smooth: bool = True,
    ) -> Self:
        """Return the problem whose curves are tables on one grid of spends per line.

        Args:
            spend: (n_lines, n_knots), strictly ascending, first column 0.
            value: (n_lines, n_knots), the expected outcome of each spend.
            metrics: by name, the expected value of further metrics on the same knots.
            smooth: draw curves through the knots instead of straight lines, so that budgets do
                not stick to knots. With further metrics, straight pieces on a finer grid.
        """
        tables = dict(metrics or {})
        if smooth and tables:
            knots = _finer(spend)
            fine = {name: _resampled(spend, table, knots) for name, table in tables.items()}
            main = Curves.from_knots(knots, _resampled(spend, value, knots), smooth=False)
            others = {n: Curves.from_knots(knots, t, smooth=False) for n, t in fine.items()}
        else:
            main = Curves.from_knots(spend, value, smooth=smooth)
            others = {n: Curves.from_knots(spend, t, smooth=False) for n, t in tables.items()}
        return cls(
            ids=tuple(ids),
            curves=main,
            lower=lower,
            upper=upper,
            budget=budget,
            exactly=exactly,
            current=current,
            groups=tuple(groups),
            guardrails=tuple(guardrails),
            metrics=others,
            limit_names=dict(limit_names or {}),
        )

    def changed(self, **changes: object) -> Self:
        """Return the same problem with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]  # fields are checked by replace

    def limit_name(self, line: int, side: str) -> str:
        """Return what the user calls the line's bound; `side` is "min" or "max"."""
        return self.names_of(np.array([line]), side)[0]

    def names_of(self, lines: IntArray, side: str) -> list[str]:
        """Return what the user calls the bounds of some lines."""
        fixed = (self.lower[lines] == self.upper[lines]).tolist()
        plain = [
            f"{self.ids[line]} {'fixed' if is_fixed else side}"
            for line, is_fixed in zip(lines.tolist(), fixed, strict=True)
        ]
        if not self.limit_names:
            return plain
        given = self.limit_names
        return [
            given.get((line, side), name) for line, name in zip(lines.tolist(), plain, strict=True)
        ]

    def measure(self, quantity: Quantity, spend: FloatArray) -> float:
        """Return a quantity at a split, its constant included."""
        each = self.per_line(quantity.metric, spend)
        chosen = each if quantity.members is None else each[quantity.members]
        return float(chosen.sum()) + quantity.constant

    def per_line(self, metric: str, spend: FloatArray) -> FloatArray:
        """Return what each line adds to a metric."""
        if metric == SPEND:
            return spend
        if metric == OUTCOME:
            return self.curves.value(spend)
        return self.metrics[metric].value(spend)

    def ratio(self, rail: Guardrail, spend: FloatArray) -> float | None:
        """Return the guardrail's metric at a split; None where it divides by zero."""
        over = self.measure(rail.over, spend)
        if rail.per is None:
            return over
        per = self.measure(rail.per, spend)
        return over / per if per > 0 else None

    def slack(self, rail: Guardrail, spend: FloatArray) -> float:
        """Return by how much a split keeps the guardrail, in the units of `over`."""
        held = sum(weight * self.measure(part, spend) for weight, part in rail.terms())
        return held - rail.threshold

    def broken(self, spend: FloatArray) -> tuple[Guardrail, ...]:
        """Return the guardrails that a split breaks by more than rounding does."""
        out = []
        for rail in self.guardrails:
            scale = sum(abs(weight * self.measure(part, spend)) for weight, part in rail.terms())
            if self.slack(rail, spend) < -_RAIL_SLACK * max(scale, abs(rail.threshold)):
                out.append(rail)
        return tuple(out)


def _finer(knots: FloatArray, parts: int = 8) -> FloatArray:
    share = np.linspace(0, 1, parts, endpoint=False)
    inner = knots[:, :-1, None] + share * np.diff(knots, axis=1)[:, :, None]
    return np.concatenate([inner.reshape(knots.shape[0], -1), knots[:, -1:]], axis=1)


def _resampled(knots: FloatArray, values: FloatArray, finer: FloatArray) -> FloatArray:
    curves = Curves.from_knots(knots, values, smooth=True)
    return np.stack([curves.value(column) for column in finer.T], axis=1)
