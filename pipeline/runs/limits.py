"""Tonight's limits: caps that finance approved, the ramp, what is held, and the day's money.

An approved cap is law: it beats the ramp. The ramp beats a floor, which is then reached over some
nights. What cannot be met tonight becomes a reason on the plan, never a silent gap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from pipeline.allocation.problem import Group
from pipeline.core.caps import Cap
from pipeline.core.errors import InfeasibleError
from pipeline.core.money import minor_digits
from pipeline.core.policy import Policy
from pipeline.core.types import BoolArray, FloatArray, IntArray, Line, in_scope, scope_label


@dataclass(kw_only=True)
class Limits:
    """What each line and group of lines may spend, while it is put together.

    Attributes:
        lower, upper: (n_lines,), in whole minor units of the currency.
        names: what to call a bound that binds, by (line index, "min" or "max").
        groups: sums that are limited, named like their cap's id.
        held: (n_lines,), lines that may not move, with `why`.
        may_rise: (n_lines,), those of them that a floor may lift, by `ramp` of today's at most.
    """

    lower: FloatArray
    upper: FloatArray
    held: BoolArray
    may_rise: BoolArray
    ramp: float
    columns: tuple[str, ...]
    names: dict[tuple[int, str], str] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    why: dict[int, str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def cap_name(cap: Cap, side: str, columns: Sequence[str] = ()) -> str:
    """Return a cap as the plan names it where it binds: `cap search max`."""
    outermost = list(columns[: len(cap.scope)])
    named = cap.scope and (not columns or set(outermost) == set(cap.scope))
    order = outermost or list(cap.scope)
    label = " / ".join(cap.scope[column] for column in order) if named else scope_label(cap.scope)
    return f"cap {label if cap.scope else 'total'} {side}"


def night_limits(
    policy: Policy,
    lines: Sequence[Line],
    current: FloatArray,
    caps: Sequence[Cap],
    held_scopes: Sequence[dict[str, str]],
    distrusted: BoolArray,
    held: Mapping[Line, str] = MappingProxyType({}),
) -> Limits:
    """Return the limits of tonight's plan.

    Args:
        current: (n_lines,), what the last plan set.
        caps: in force on the plan's day.
        held_scopes: scopes whose first cap still waits for finance.
        distrusted: (n_lines,), lines whose newest day cannot be trusted.
        held: lines that stay for another reason, and that reason.
    """
    unit = 10.0 ** -minor_digits(policy.currency)
    ramp = policy.max_daily_change
    limits = Limits(
        lower=_up(current * (1 - ramp), unit),
        upper=_down(current * (1 + ramp), unit),
        held=np.zeros(len(lines), dtype=bool),
        may_rise=np.zeros(len(lines), dtype=bool),
        ramp=ramp,
        columns=policy.line,
    )
    limits.lower = np.minimum(limits.lower, current)
    limits.upper = np.maximum(limits.upper, current)
    for index in range(len(lines)):
        limits.names[index, "min"] = limits.names[index, "max"] = "ramp"
    _hold(policy, lines, current, held_scopes, distrusted, held, limits)
    for cap in caps:
        members = np.array(
            [i for i, line in enumerate(lines) if in_scope(line, policy.line, cap.scope)],
            dtype=np.int64,
        )
        if members.size == 0:
            limits.reasons.append(
                f"cap {scope_label(cap.scope)} covers no line that is known; it had no effect"
            )
        elif cap.fixed is not None:
            _fix(cap, members, current, unit, limits)
        else:
            _cap(cap, members, lines, unit, limits)
    return limits


def day_budget(
    policy: Policy, limits: Limits, caps: Sequence[Cap], wanted: float
) -> tuple[float, list[str]]:
    """Return the money that can be spent tonight, nearest to what is wanted, and why not all.

    Raises:
        InfeasibleError: approved floors alone ask for more than the budget.
    """
    floors = [cap for cap in caps if (cap.min or 0) > 0 or cap.fixed is not None]
    least = _least_floors(floors)
    if least > wanted * (1 + 1e-9) + 1e-9:
        names = tuple(cap_name(c, "fixed" if c.fixed is not None else "min") for c in floors)
        raise InfeasibleError(
            f"budget {wanted:g}: the floors {', '.join(names)} ask for {least:g} together; "
            "raise the budget or have finance lower a floor",
            conflict=("budget", *names),
        )
    low, high = attainable(limits)
    unit = 10.0 ** -minor_digits(policy.currency)
    if wanted > high + unit / 2:
        return high, [
            f"{wanted - high:.2f} of the budget {wanted:.2f} cannot be placed tonight: "
            "ramp, caps and held lines allow no more"
        ]
    if wanted < low - unit / 2:
        return low, [
            f"the plan is {low - wanted:.2f} above the budget {wanted:.2f}: ramp and held lines "
            "allow no deeper cut in one night"
        ]
    return wanted, []


def attainable(limits: Limits) -> tuple[float, float]:
    """Return the least and the most money that the limits allow in all.

    Raises:
        InfeasibleError: the limits contradict each other whatever the total.
    """
    from scipy.optimize import linprog

    if not limits.groups:
        return float(limits.lower.sum()), float(limits.upper.sum())
    rows, bounds, names = [], [], []
    for group in limits.groups:
        row = np.zeros(limits.lower.size)
        row[group.members] = 1.0
        if math.isfinite(group.max):
            rows.append(row)
            bounds.append(group.max)
            names.append(group.id)
        if group.min > 0:
            rows.append(-row)
            bounds.append(-group.min)
            names.append(group.id)
    box = list(zip(limits.lower.tolist(), limits.upper.tolist(), strict=True))
    ends = []
    for sign in (1.0, -1.0):
        found = linprog(
            np.full(limits.lower.size, sign), A_ub=np.array(rows), b_ub=np.array(bounds), bounds=box
        )
        if found.status != 0:
            raise InfeasibleError(
                f"limits: {', '.join(sorted(set(names)))} contradict each other; "
                "have finance change one of them",
                conflict=tuple(sorted(set(names))),
            )
        ends.append(sign * float(found.fun or 0.0))
    return ends[0], ends[1]


def _hold(
    policy: Policy,
    lines: Sequence[Line],
    current: FloatArray,
    held_scopes: Sequence[dict[str, str]],
    distrusted: BoolArray,
    held: Mapping[Line, str],
    limits: Limits,
) -> None:
    for index, line in enumerate(lines):
        why = ""
        for scope in held_scopes:
            if in_scope(line, policy.line, scope):
                why = f"its cap ({scope_label(scope)}) waits for finance"
                break
        if not why and distrusted[index]:
            why = "its newest data cannot be trusted"
        limits.may_rise[index] = not why and line in held
        why = why or held.get(line, "")
        if why:
            limits.held[index] = True
            limits.why[index] = why
            limits.lower[index] = limits.upper[index] = current[index]
            limits.names[index, "min"] = limits.names[index, "max"] = why


def _fix(cap: Cap, members: IntArray, current: FloatArray, unit: float, limits: Limits) -> None:
    """Set a contract's money, shared over its lines like today's."""
    amount = float(cap.fixed or 0.0)
    base = current[members]
    share = base / base.sum() if base.sum() > 0 else np.full(members.size, 1 / members.size)
    each = np.round(amount * share / unit) * unit
    each[-1] = round((amount - each[:-1].sum()) / unit) * unit
    limits.lower[members] = limits.upper[members] = each
    limits.may_rise[members] = False
    for index in members.tolist():
        limits.held[index] = True
        limits.why[index] = f"set by {cap_name(cap, 'fixed', limits.columns)}, never optimised"
        limits.names[index, "min"] = limits.names[index, "max"] = cap_name(
            cap, "fixed", limits.columns
        )


def _cap(cap: Cap, members: IntArray, lines: Sequence[Line], unit: float, limits: Limits) -> None:
    free = members[~limits.held[members]]
    kept = float(limits.lower[members[limits.held[members]]].sum())
    if cap.max is not None:
        _ceiling(cap, members, free, kept, lines, unit, limits)
    if cap.min is not None:
        _floor(cap, members, free, kept, unit, limits)


def _ceiling(
    cap: Cap,
    members: IntArray,
    free: IntArray,
    kept: float,
    lines: Sequence[Line],
    unit: float,
    limits: Limits,
) -> None:
    name, most = cap_name(cap, "max", limits.columns), float(cap.max or 0.0)
    room = most - kept
    least = float(limits.lower[free].sum())
    if room < -unit / 2:
        # A held line above an approved cap gives way: the cap is law.
        over = members[limits.held[members]]
        limits.lower[over] *= most / max(kept, 1e-12)
        limits.lower[over] = _down(limits.lower[over], unit)
        limits.upper[over] = limits.lower[over]
        limits.may_rise[over] = False
        room, kept = most - float(limits.lower[over].sum()), float(limits.lower[over].sum())
        limits.reasons.append(f"{name} is below what is held there today; held lines are cut to it")
    if least > room:
        limits.lower[free] = _down(limits.lower[free] * max(room, 0.0) / max(least, 1e-12), unit)
        limits.reasons.append(f"{name} asks for a deeper cut than the ramp; the cap goes first")
    if members.size == 1:
        index = int(members[0])
        if most <= limits.upper[index]:
            limits.upper[index] = max(_down(np.array(most), unit).item(), limits.lower[index])
            limits.names[index, "max"] = name
        return
    for index in free.tolist():
        limits.upper[index] = max(min(limits.upper[index], room), limits.lower[index])
    limits.groups.append(Group(id=name, members=members, max=most))


def _floor(
    cap: Cap, members: IntArray, free: IntArray, kept: float, unit: float, limits: Limits
) -> None:
    name, least = cap_name(cap, "min", limits.columns), float(cap.min or 0.0)
    reach = float(limits.upper[free].sum()) + kept
    resting = members[limits.may_rise[members]]
    if least > reach + unit / 2 and resting.size:
        # A held line below an approved floor rises to it as fast as the ramp allows: caps are law.
        rest = float(limits.lower[resting].sum())
        step = min(1 + limits.ramp, (least - reach + rest) / max(rest, 1e-12))
        raised = np.minimum(
            _up(limits.lower[resting] * step, unit),
            _down(limits.lower[resting] * (1 + limits.ramp), unit),
        )
        limits.lower[resting] = limits.upper[resting] = raised
        reach += float(raised.sum()) - rest
        limits.reasons.append(
            f"{name} is above what is held there today; held lines are raised to it"
        )
    if least > reach + unit / 2:
        limits.reasons.append(f"{name} is reached over several nights: the ramp allows {reach:.2f}")
        least = reach
    if members.size == 1:
        index = int(members[0])
        if least >= limits.lower[index]:
            limits.lower[index] = min(least, limits.upper[index])
            limits.names[index, "min"] = name
        return
    if free.size:
        limits.groups.append(Group(id=name, members=members, min=least))


def _least_floors(floors: Sequence[Cap]) -> float:
    """Return the least money that the floors ask for; a scope inside another counts once."""

    def inside(inner: Cap, outer: Cap) -> bool:
        return inner is not outer and outer.scope.items() <= inner.scope.items()

    def need(cap: Cap, others: Sequence[Cap]) -> float:
        own = cap.fixed if cap.fixed is not None else cap.min
        return max(own or 0.0, total([other for other in others if inside(other, cap)]))

    def total(caps: Sequence[Cap]) -> float:
        tops = [cap for cap in caps if not any(inside(cap, other) for other in caps)]
        return sum(need(cap, caps) for cap in tops)

    return total(floors)


def _up(amount: FloatArray, unit: float) -> FloatArray:
    return np.asarray(np.ceil(amount / unit - 1e-6) * unit)


def _down(amount: FloatArray, unit: float) -> FloatArray:
    return np.asarray(np.floor(amount / unit + 1e-6) * unit)
