"""Experiments: designed on the past, assigned before they start, read out on time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.panel import Panel
from pipeline.experiments.design import Design, choose, design_geo
from pipeline.experiments.readout import ReadOut, read_out
from pipeline.experiments.sequential import alpha_of_look
from pipeline.runs import switchbacks
from pipeline.runs.audit import require_sound
from pipeline.runs.experiment_rules import check_alone, check_start, treated_by_others
from pipeline.runs.portfolio import Portfolio
from pipeline.runs.signoff import acting, cap_spec, existing_ledger, propose_cap, ready_ledger

if TYPE_CHECKING:
    from pipeline.core.caps import Cap
    from pipeline.io.ledger import ExperimentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a test shall be like.

    Attributes:
        units: to treat.
        days: of the test.
        alpha: two-sided error of the test as a whole, 0-1.
        power: of finding the least effect, 0-1.
        effect: relative, whose power is asked for.
        spend_change: relative change of the treated units' money.
        excluded: units neither treated nor compared with.
    """

    units: int
    days: int
    alpha: float = 0.1
    power: float = 0.8
    effect: float | None = None
    spend_change: float = 1.0
    excluded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("--alpha", self.alpha), ("--power", self.power)):
            if not 0 < value < 1:
                raise UsageError(f"experiment {name}: got {value:g}, need between 0 and 1")
        if self.effect is not None and not (-1 < self.effect < math.inf and self.effect != 0):
            raise UsageError(
                f"experiment --effect: got {self.effect:g}, need an effect above -1 that is not 0; "
                "0.05 is five percent more"
            )
        if self.days < 1:
            raise UsageError(f"experiment --days: got {self.days}, need at least 1")
        if self.spend_change == 0 or not -1 <= self.spend_change < math.inf:
            raise UsageError(
                f"experiment --spend-change: got {self.spend_change:g}, need at least -1 (stop), "
                "not 0; 1 doubles"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A read-out, at its place in the plan of looks.

    Attributes:
        fraction: of the test that is over, 0-1.
        alpha: what this look may spend.
        result: over the days until now.
    """

    fraction: float
    alpha: float
    result: ReadOut

    @property
    def is_final(self) -> bool:
        """Whether the whole test is read."""
        return self.fraction == 1

    @property
    def verdict(self) -> str:
        """What may be said now, in a sentence."""
        if self.result.is_significant:
            return "an effect: it is more than chance would show"
        if self.is_final:
            return "no effect was found; the interval says how large one could be"
        return "not yet: this look may not decide; the interval is as wide as early looks must be"

    def with_money(self, moved: float) -> Look:
        """Return the look with the money that the test moved, where people know it better."""
        iroas = self.result.incremental / moved if moved else None
        return replace(self, result=replace(self.result, spend_change=moved, iroas=iroas))

    def to_json(self) -> dict[str, Any]:
        """Return the look as plain JSON values; a bound that is not known is null."""
        result = {
            key: value.isoformat() if isinstance(value, date) else value
            for key, value in asdict(self.result).items()
        }
        for key in ("low", "high", "lift_low", "lift_high"):
            result[key] = result[key] if np.isfinite(result[key]) else None
        return {
            "fraction": self.fraction,
            "alpha": self.alpha,
            "verdict": self.verdict,
            **result,
            "treated": list(self.result.treated),
        }


def design(panel: Panel, wish: Wish, seed: int) -> list[Design]:
    """Return candidate designs, the most sensitive first."""
    return design_geo(
        panel,
        wish.units,
        wish.days,
        np.random.default_rng(seed),
        alpha=wish.alpha,
        power=wish.power,
        effect=wish.effect,
        spend_change=wish.spend_change,
        excluded=wish.excluded,
    )


def assign(
    portfolio: Portfolio,
    panel: Panel,
    wish: Wish,
    person: str,
    *,
    name: str,
    first_day: date,
    seed: int,
    scope: Mapping[str, str],
    hold: float | None,
    unit_column: str = "",
    metric: str = "",
    data: Mapping[str, str] = MappingProxyType({}),
) -> tuple[ExperimentRecord, Cap | None]:
    """Draw who is treated and record it; with `hold`, propose the cap that fixes the test's money.

    Args:
        panel: the past; days from the first of the test on are not looked at.
        seed: of the draw; recorded, so that anybody can draw again.
        scope: the lines whose money the test changes.
        hold: money per day of the scope while the test runs.
        unit_column: what the units are values of.
        metric: that the outcome counts; empty means the objective.
        data: where the read-out finds the outcomes: `path` and the names of its columns.

    Raises:
        UsageError: it would start today or earlier, or holds money of no scope.
        NotAllowedError: the name is taken, or the person may not.
    """
    check_start(portfolio, name, first_day, scope)
    if hold is not None and not scope:
        raise UsageError("experiment --hold: needs --scope, the lines whose money is held")
    chosen = choose(design(panel.until(first_day), wish, seed), np.random.default_rng([seed, 1]))
    last_day = first_day + timedelta(days=wish.days - 1)
    spec = None if hold is None else cap_spec(
        {"scope": dict(scope), "fixed": hold, "valid_from": first_day, "expires": last_day}
    )  # fmt: skip
    ledger = ready_ledger(portfolio)
    actor = acting(portfolio, person, "assign experiment", name)
    check_alone(
        listed(portfolio),
        name,
        (first_day, last_day),
        unit_column,
        treated=chosen.treated,
        excluded=wish.excluded,
    )
    record = ledger.record_assignment(
        name,
        {
            "from": first_day.isoformat(),
            "to": last_day.isoformat(),
            "treated": list(chosen.treated),
            "excluded": list(wish.excluded),
            "alpha": wish.alpha,
            "least_effect": chosen.least_effect,
            "price": chosen.price,
            "seed": seed,
            "scope": dict(scope),
            "kind": "geo",
            "unit_column": unit_column,
            "metric": metric,
            "data": dict(data),
        },
        actor,
        portfolio.policy,
    )
    cap = None if spec is None else propose_cap(portfolio, spec, person, f"experiment {name}")
    return record, cap


def listed(portfolio: Portfolio) -> tuple[ExperimentRecord, ...]:
    """Return every experiment of the portfolio, oldest first."""
    return existing_ledger(portfolio).experiments(portfolio.policy.portfolio)


def look(
    panel: Panel,
    treated: Sequence[str],
    first_day: date,
    last_day: date,
    *,
    alpha: float,
    earlier: Sequence[float] = (),
    excluded: Sequence[str] = (),
    seed: int = 1,
) -> Look:
    """Return the read-out of what is over of a test, with the error that this look may spend.

    Args:
        first_day, last_day: of the whole test as planned.
        alpha: of the whole test.
        earlier: fractions at which it was looked at before.
        seed: of the placebos, where there are too many to try all.

    Raises:
        UsageError: nothing is over yet, or nothing since the last look.
    """
    until = min(last_day, panel.days[-1])
    if last_day < first_day or until < first_day:
        raise UsageError(
            f"experiment read-out: the test runs from {first_day} to {last_day}, data end "
            f"{panel.days[-1]}; wait for newer data"
        )
    fraction = ((until - first_day).days + 1) / ((last_day - first_day).days + 1)
    share = alpha_of_look(earlier, fraction, alpha)
    result = read_out(
        panel,
        treated,
        first_day,
        until,
        rng=np.random.default_rng(seed),
        alpha=share,
        excluded=excluded,
    )
    return Look(fraction=fraction, alpha=share, result=result)


def look_at(
    portfolio: Portfolio, panel: Panel, name: str, person: str
) -> tuple[ExperimentRecord, Look]:
    """Return the read-out of an assigned experiment; the look is recorded before it is shown.

    The same look twice spends nothing twice and is recorded once.

    Raises:
        DamagedError: the audit chain, which says who was treated, was altered.
    """
    ledger = existing_ledger(portfolio)
    record = ledger.experiment(portfolio.policy.portfolio, name)
    require_sound(portfolio.folder, f"experiment read-out {name}")
    seen = seen_of(record, panel, ledger.experiments(portfolio.policy.portfolio))
    if seen.fraction not in [item["fraction"] for item in record.looks]:
        actor = acting(portfolio, person, "read experiment", name)
        ledger.record_look(name, seen.to_json(), actor, portfolio.policy)
    return record, seen


def record_final(portfolio: Portfolio, name: str, seen: Look) -> None:
    """Record the read-out of a whole test that its schedule asked for; nobody chose the moment."""
    if not seen.is_final:
        raise UsageError(f"experiment {name!r}: {seen.fraction:.0%} of it is over; wait")
    ledger = existing_ledger(portfolio)
    ledger.record_scheduled_look(name, seen.to_json(), portfolio.policy)


def seen_of(
    record: ExperimentRecord, panel: Panel, others: Sequence[ExperimentRecord] = ()
) -> Look:
    """Return what an assigned experiment shows on the days that are over, nothing recorded.

    Args:
        others: recorded tests; units that they treat meanwhile are not compared with.
    """
    plan = record.assignment
    now = fraction_over(plan, panel.days[-1])
    earlier = [item["fraction"] for item in record.looks if item["fraction"] != now]
    elsewhere = treated_by_others(record, others)
    excluded = sorted({*plan["excluded"], *(unit for unit in elsewhere if unit in panel.units)})
    if plan.get("kind") == switchbacks.KIND:
        share = alpha_of_look(earlier, now, plan["alpha"])
        found = switchbacks.read(panel, plan, share, excluded)
        return Look(fraction=now, alpha=share, result=found)
    return look(
        panel,
        plan["treated"],
        date.fromisoformat(plan["from"]),
        date.fromisoformat(plan["to"]),
        alpha=plan["alpha"],
        earlier=earlier,
        excluded=excluded,
        seed=plan["seed"],
    )


def fraction_over(assignment: Mapping[str, Any], last_day: date) -> float:
    """Return the share of an assigned test that is over once data reach `last_day`."""
    if assignment.get("kind") == switchbacks.KIND:
        return switchbacks.pairs_over(assignment, last_day)
    first, last = (date.fromisoformat(assignment[name]) for name in ("from", "to"))
    return ((min(last, last_day) - first).days + 1) / ((last - first).days + 1)


def evidence(seen: Look, *, name: str, scope: Mapping[str, str], metric: str) -> dict[str, str]:
    """Return the row that `sources.experiments` reads.

    Raises:
        UsageError: the test is not over, or moved no money that anybody knows of.
    """
    if not seen.is_final:
        raise UsageError(
            f"experiment evidence: {seen.fraction:.0%} of the test is over; "
            "curves learn from the whole of it, so wait"
        )
    moved = seen.result.spend_change
    if not moved:
        raise UsageError(
            "experiment evidence: no money is known to have moved; give --spend-column, "
            "or --moved with the money of the window"
        )
    return {
        **scope,
        "from": seen.result.first_day.isoformat(),
        "to": seen.result.last_day.isoformat(),
        "lift": repr(round(float(seen.result.incremental), 6)),
        "standard_error": repr(round(float(seen.result.standard_error), 6)),
        "spend_change": repr(round(float(moved), 2)),
        "name": name,
        "metric": metric,
    }
