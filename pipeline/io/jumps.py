"""Cells that are ten times off their neighbours: a unit, a decimal point, a double count."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.types import BoolArray, FloatArray, Line, line_label
from pipeline.io.facts import Facts
from pipeline.io.verdict import Verdict, aged_level, named_lines

JUMP = 6.0  # a slip of the decimal point is ten, of which noise may take a part
SLIP = 9.0  # of a week's money: flights begin with several times the usual, a point moves ten
COLLAPSE = 50.0  # a line may run dry in a day; in cents it would be a hundredth
OUTCOME_JUMP, OUTCOME_BURST = 20.0, 60.0  # outcomes are lumpier than money
RECENT_DAYS = 7
SHORT_DAYS = 28
MATERIAL = 0.01  # of the portfolio's recent daily spend
SHIFT = 8.0  # between one day and the next, in most lines at once: no plan moves like that


def check_spend_jumps(
    facts: Facts,
    verdict: Verdict,
    ordinary: Facts | None = None,
    moneyless: Collection[Line] = (),
) -> None:
    """Find cells of spend that are far off their neighbours: a unit or a typing error.

    A line may run dry in a day, so less spend is in doubt only when it is as little as cents; a
    lesser fall of the newest day is shown and believed. By the week money comes in flights, so a
    fall is doubted there and stops nothing, and a rise stops all where a decimal point slipped.

    Args:
        ordinary: the facts without what named days may bring.
        moneyless: lines that are meant to spend nothing; the less they spent, the better.
    """
    spend = (ordinary or facts).spend
    up, down = spikes(spend, factor=JUMP)
    down[-1, [line in moneyless for line in facts.lines]] = False
    usual = neighbour_median(spend)
    material = np.maximum(spend, usual) > MATERIAL * typical_total(spend)[:, None]
    collapsed = down & (spend * COLLAPSE < usual)
    odd = up | collapsed
    grave = (spikes(spend, factor=SLIP)[0] if facts.period_days > 1 else odd) & material
    _report(facts, facts.spend, odd, grave=grave, usual=usual, column="spend", verdict=verdict)
    fallen = (down & ~collapsed & material)[-1]
    if fallen.any():
        verdict.add(
            Level.REVIEW,
            "spend-fall",
            f"spend: {named_lines(facts, fallen)} spent less than a sixth of the usual on "
            f"{facts.days[-1]}",
            "check whether the line ran dry or the row is incomplete",
            source="spend",
            column="spend",
        )


def check_outcome_jumps(
    facts: Facts, metric: str, verdict: Verdict, ordinary: Facts | None = None
) -> None:
    """Find outcomes far above anything the line had: counted twice, or in another unit.

    Args:
        ordinary: the facts without what named days may bring.
    """
    values = np.nan_to_num((ordinary or facts).outcomes[metric])
    up, _ = spikes(values, factor=OUTCOME_JUMP)
    usual = neighbour_median(values)
    others = np.sort(values, axis=0)
    second = others[-2] if len(others) > 1 else others[-1]
    typical = typical_total(values)[:, None]
    highest_else = np.where(values == others[-1], second, others[-1])
    odd = up & ((values > 5 * highest_else) | (values > 50 * usual)) & (values > 0.05 * typical)
    total = values.sum(axis=1, keepdims=True)
    grave = odd & ((values > OUTCOME_BURST * usual) | (total > 5 * typical))
    told = np.nan_to_num(facts.outcomes[metric])
    _report(facts, told, odd, grave=grave, usual=usual, column=metric, verdict=verdict)


def _report(
    facts: Facts,
    values: FloatArray,
    odd: BoolArray,
    *,
    grave: BoolArray,
    usual: FloatArray,
    column: str,
    verdict: Verdict,
) -> None:
    """Keep the odd cells from the model and say so; a grave one of the newest day is FAIL."""
    is_spend = column == "spend"
    source, check = ("spend", "spend-jump") if is_spend else ("outcomes", "outcome-jump")
    newest = len(facts.days) - 1
    cells = [(int(day), int(line)) for day, line in np.argwhere(odd)]
    verdict.distrust(facts, cells, check, usual if is_spend else None)
    refused = [cell for cell in cells if cell[0] == newest and grave[cell]]
    for day, line in refused:
        verdict.add(
            Level.FAIL,
            check,
            f"{source}: {line_label(facts.lines[line])} has {column} {values[day, line]:.2f} on "
            f"{facts.days[day]}, its neighbours {usual[day, line]:.2f}",
            "check the unit and the row, and mend it at the source",
            source=source,
            column=column,
            line=facts.lines[line],
            value=f"{values[day, line]:g}",
        )
    rest = [cell for cell in cells if cell not in refused]
    if rest:
        day, line = rest[-1]
        verdict.add(
            aged_level(facts, day),
            check,
            f"{source}: {len(rest)} cells of {column} are far off their neighbours, the last "
            f"{line_label(facts.lines[line])} on {facts.days[day]} "
            f"({values[day, line]:.2f}, usually {usual[day, line]:.2f})",
            "left out of the fit",
            source=source,
            column=column,
        )


def spikes(values: FloatArray, factor: float) -> tuple[BoolArray, BoolArray]:
    """Return the cells that are `factor` above, and below, the week before and the week after.

    A new level is no spike: its other days are like it. Zero is no spike: lines pause. The
    first days, and days after a pause, have nothing to be compared with.

    Args:
        values: (n_days, n_lines), >= 0.
    """
    before, n_before = _side_medians(values, after=False)
    after, n_after = _side_medians(values, after=True)
    high = _side_extremes(values, np.fmax)
    low = _side_extremes(values, np.fmin)
    known = n_before >= 4
    with np.errstate(invalid="ignore"):
        up_before = ~known | (values >= factor * before)
        up_after = (n_after < 2) | (values >= factor * after)
        enough = (known | (n_after >= 4)) & (values > 0)
        up = enough & up_before & up_after & (values > 2 * high)
        down_before = ~known | (values * factor <= before)
        down_after = (n_after < 2) | (values * factor <= after)
        down = enough & down_before & down_after & (values * 2 < low)
    return up, down


def _shifted(values: FloatArray, lag: int) -> FloatArray:
    """Return the table as of `lag` days earlier, NaN where there is none or nothing was spent."""
    out = np.full(values.shape, np.nan)
    if lag > 0:
        out[lag:] = values[:-lag]
    else:
        out[:lag] = values[-lag:]
    out[out <= 0] = np.nan
    return out


def _side_medians(values: FloatArray, *, after: bool) -> tuple[FloatArray, FloatArray]:
    lags = [(-lag if after else lag) for lag in range(1, RECENT_DAYS + 1) if lag < len(values)]
    if not lags:
        return np.full(values.shape, np.nan), np.zeros(values.shape)
    stack = np.stack([_shifted(values, lag) for lag in lags])
    return _nanmedian(stack), np.isfinite(stack).sum(axis=0).astype(float)


def _side_extremes(values: FloatArray, pick: np.ufunc) -> FloatArray:
    """Return the highest or lowest of the four weeks before, the newest excluded."""
    out = np.full(values.shape, np.nan)
    for lag in range(1, min(SHORT_DAYS, len(values) - 1) + 1):
        out = pick(out, _shifted(values, lag))
    default = 0.0 if pick is np.fmax else np.inf
    return np.where(np.isfinite(out), out, default)


def neighbour_median(values: FloatArray) -> FloatArray:
    """Return the median of the week before each day; of the week around it where that is short."""
    before, n_before = _side_medians(values, after=False)
    after, _ = _side_medians(values, after=True)
    return np.nan_to_num(np.where(n_before >= 4, before, np.fmax(before, after)))


def typical_total(values: FloatArray) -> FloatArray:
    """Return the median daily total of the four weeks up to each day, (n_days,)."""
    totals = values.sum(axis=1)
    return np.array(
        [float(np.median(totals[max(0, day - SHORT_DAYS) : day + 1])) for day in range(len(totals))]
    )


def _nanmedian(stack: FloatArray) -> FloatArray:
    """Return the median over the first axis, NaN where all are NaN, without a warning."""
    ordered = np.sort(stack, axis=0)
    count = np.isfinite(stack).sum(axis=0)
    low = np.maximum((count - 1) // 2, 0)
    high = np.maximum(count // 2, 0)
    high = np.where(count > 0, np.minimum(high, np.maximum(count - 1, 0)), 0)
    picked_low = np.take_along_axis(ordered, low[None], axis=0)[0]
    picked_high = np.take_along_axis(ordered, high[None], axis=0)[0]
    return np.asarray((picked_low + picked_high) / 2)


def check_unit_shift(facts: Facts, verdict: Verdict, ordinary: Facts | None = None) -> None:
    """Find stretches of days on which all spend is in another unit than on the newest day.

    Plans move a line by a share a day, so a step of most of the money at once, up or down, is a
    change of unit. Within four weeks of it nobody knows which side is right: FAIL. Before, the
    newest level holds, and older days on another level are kept from the model.

    Args:
        ordinary: the facts without what named days may bring.
    """
    spend = facts.spend
    steps = _common_steps((ordinary or facts).spend)
    found = np.flatnonzero(np.abs(steps) >= np.log(SHIFT))
    if not found.size:
        return
    level = np.concatenate([[0.0], np.cumsum(np.where(np.abs(steps) >= np.log(SHIFT), steps, 0))])
    other = np.abs(level - level[-1]) >= np.log(SHIFT)
    last_step = int(found[-1]) + 1
    age = len(facts.days) - last_step
    factor = float(np.exp(abs(steps[found[-1]])))
    is_recent = age <= SHORT_DAYS and other[last_step - 1]
    returned = is_recent and bool((~other[:last_step]).sum() >= SHORT_DAYS)
    lines = range(spend.shape[1])
    cells = [(int(day), line) for day in np.flatnonzero(other) for line in lines]
    verdict.distrust(facts, cells, "unit-shift", spend * np.exp(level[-1] - level)[:, None])
    verdict.add(
        Level.FAIL if is_recent and not returned else aged_level(facts, last_step),
        "unit-shift",
        f"spend: nearly all lines change {factor:.0f}-fold between {facts.days[last_step - 1]} "
        f"and {facts.days[last_step]}; {int(other.sum())} days are not on the newest level",
        "check the unit of spend (whole currency, not cents or micros) before and after that day",
        source="spend",
        column="spend",
    )


def check_outcome_shift(
    facts: Facts, metric: str, verdict: Verdict, *, are_totals: bool = False
) -> None:
    """Find a day since which outcomes are on a level that no day before had: another unit.

    The first such day stands out and is refused as a jump; with the next ones it looks like a
    level. As with spend, nobody knows for four weeks which side is right: FAIL. Then the newest
    holds, and the days before are kept from the model.

    Args:
        are_totals: whether outcomes are counted whoever caused them; else they are held against
            what the lines that spent usually earn for their money.
    """
    total, usual = _outcome_and_usual(facts, metric, are_totals)
    known = np.flatnonzero((total > 0) & (usual > 0))
    level = np.log(total[known] / usual[known])
    age = _shift_age(level, np.asarray((len(total) - known) * facts.period_days > RECENT_DAYS))
    if age is None:
        return
    first = int(known[-age])
    step = float(np.median(level[-age:]) - np.median(level[:-age]))
    than = "times as much" if step > 0 else "times less"
    cells = [(row, line) for row in range(first) for line in range(len(facts.lines))]
    verdict.distrust(facts, cells, "outcome-shift")
    is_recent = aged_level(facts, first) is Level.REVIEW
    verdict.add(
        Level.FAIL if is_recent else Level.PASS,
        "outcome-shift",
        f"outcomes: since {facts.days[first]} there is {np.exp(abs(step)):.0f} {than} {metric}"
        f"{'' if are_totals else ' for the same money'} than usual, beyond all that was before",
        f"check the unit and the definition of {metric} before and after that day, and deliver "
        "the history in one of them",
        source="outcomes",
        column=metric,
    )


def _outcome_and_usual(
    facts: Facts, metric: str, are_totals: bool
) -> tuple[FloatArray, FloatArray]:
    """Return each row's outcome, and what to hold it against, (n_days,) each.

    Lines return very different amounts for their money, and come and go, so each one's money counts
    as what it usually earns: else the end of a large poor line looks like another unit.
    """
    outcome = np.nan_to_num(facts.outcomes[metric])
    if are_totals:
        return outcome.sum(axis=1), np.ones(len(outcome))
    paid = facts.spend > 0
    outcome = np.where(paid, outcome, 0.0)
    return_of = outcome.sum(axis=0) / np.maximum(facts.spend.sum(axis=0), 1e-12)
    return outcome.sum(axis=1), facts.spend @ return_of


def _shift_age(level: FloatArray, is_whole: BoolArray) -> int | None:
    """Return how many of the newest rows are on a level of their own, None where none are.

    Args:
        level: (n,) logs.
        is_whole: (n,), whether a row's outcomes have arrived; before, a fall says nothing.
    """
    gap, shift = np.log(2.0), np.log(SHIFT)
    for age in range(2, len(level) - SHORT_DAYS + 1):
        before, after = level[:-age], level[-age:]
        step = float(np.median(after) - np.median(before))
        if step >= shift and after.min() > before.max() + gap:
            return age
        if step <= -shift and is_whole[-age:].sum() > 1 and after.max() < before.min() - gap:
            return age
    return None


def _common_steps(spend: FloatArray) -> FloatArray:
    """Return the log step of the money from each day to the next, 0 unless most lines share it."""
    earlier, later = spend[:-1], spend[1:]
    both = (earlier > 0) & (later > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(both, np.log(later / np.where(both, earlier, 1.0)), 0.0)
    weight = np.where(both, np.maximum(np.log1p(earlier), np.log1p(later)), 0.0)
    total = weight.sum(axis=1)
    up = np.where(step > np.log(SHIFT / 2), weight, 0).sum(axis=1)
    down = np.where(step < -np.log(SHIFT / 2), weight, 0).sum(axis=1)
    shared = (np.maximum(up, down) > 0.8 * total) & (total > 0)
    money = later.sum(axis=1) / np.maximum(earlier.sum(axis=1), 1e-12)
    return np.where(shared, np.log(np.maximum(money, 1e-12)), 0.0)
