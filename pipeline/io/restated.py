"""What the sources say tonight about days that an earlier night has already seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.types import FloatArray, Line
from pipeline.io.facts import Facts
from pipeline.io.verdict import Verdict

SETTLED_DAYS = 14  # platforms correct clicks and costs for about two weeks
MATURE_DAYS = 45  # outcomes arrive later
MATERIAL = 0.01  # of the money or outcomes of the days compared
REWRITTEN = 3.0  # a total that changes by this factor is another unit or another column
GONE = 0.5
KEPT = 0.8  # of the days that an earlier night had


@dataclass(frozen=True, slots=True, kw_only=True)
class _Overlap:
    """The days and lines that two nights both know.

    Attributes:
        age: (n_days,), of each day tonight.
    """

    earlier: Facts
    facts: Facts
    first: int
    lines: tuple[Line, ...]
    age: FloatArray

    def both(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Return a table as the earlier night and as tonight saw it, (n_days, n_lines) each."""
        return self._cut(self.earlier, name), self._cut(self.facts, name)

    def _cut(self, source: Facts, name: str) -> FloatArray:
        table = source.outcomes[name] if name in source.outcomes else getattr(source, name)
        index = {line: position for position, line in enumerate(source.lines)}
        start = self.first - source.days[0].toordinal()
        rows = np.nan_to_num(table[start : start + self.age.size].astype(float))
        return np.asarray(rows[:, [index[line] for line in self.lines]])


def check_restated(facts: Facts, earlier: Facts, metric: str, verdict: Verdict) -> None:
    """Compare tonight's tables with an earlier night's and report what changed."""
    _check_shortened(facts, earlier, verdict)
    money = _overlap(facts, earlier)
    if money is not None:
        _compare("spend", "spend", money, settled_days=SETTLED_DAYS, verdict=verdict)
        _check_gone(money, verdict)
    units, seen = facts.outcome_side, earlier.outcome_side
    earned = _overlap(units, seen) if metric in seen.outcomes else None
    if earned is not None:
        _compare("outcomes", metric, earned, settled_days=MATURE_DAYS, verdict=verdict)


def _overlap(facts: Facts, earlier: Facts) -> _Overlap | None:
    first = max(facts.days[0], earlier.days[0]).toordinal()
    last = min(facts.days[-1], earlier.days[-1]).toordinal()
    here = set(facts.lines)
    lines = tuple(line for line in earlier.lines if line in here)
    if last < first or not lines:
        return None
    ages = facts.days[-1].toordinal() - np.arange(first, last + 1)
    return _Overlap(earlier=earlier, facts=facts, first=first, lines=lines, age=ages.astype(float))


def _check_shortened(facts: Facts, earlier: Facts, verdict: Verdict) -> None:
    """A source that hands over fewer days than before, as a rolling window should not."""
    lost = (facts.days[0] - earlier.days[0]).days
    moved_on = (facts.days[-1] - earlier.days[-1]).days
    if lost > max(moved_on, 0) and len(facts.days) < KEPT * len(earlier.days):
        verdict.add(
            Level.REVIEW,
            "shortened",
            f"spend: begins on {facts.days[0]}, in an earlier night on {earlier.days[0]}",
            "hand over the whole history, or the curves rest on less",
            source="spend",
            column="date",
        )


def _compare(
    source: str,
    column: str,
    overlap: _Overlap,
    *,
    settled_days: int,
    verdict: Verdict,
) -> None:
    """Report how much of the settled days changed, and of the recent ones."""
    before, after = overlap.both(column)
    changed = np.abs(after - before) > 0.005 * np.maximum(before, after) + 0.005
    if not changed.any():
        return
    old = overlap.age > settled_days
    moved = float(np.abs(after - before)[old].sum())
    total = float(before[old].sum())
    now = float(after[old].sum())
    where = {"source": source, "column": column}
    if total > 0 and not 1 / REWRITTEN < now / total < REWRITTEN:
        verdict.add(
            Level.FAIL,
            "rewritten",
            f"{source}: {column} of days older than {settled_days} days was {total:.2f} in an "
            f"earlier night and is {now:.2f}",
            "check the unit and which column is read; history does not change by that much",
            **where,
        )
    elif total > 0 and moved > MATERIAL * total:
        verdict.add(
            Level.REVIEW,
            "restated",
            f"{source}: {moved:.2f} ({moved / total:.1%}) of {column} older than {settled_days} "
            f"days changed in {int(changed[old].sum())} cells",
            "ask the source why days that were closed have changed",
            **where,
        )
    else:
        verdict.add(
            Level.PASS,
            "restated",
            f"{source}: {int(changed.sum())} cells of {column} changed since an earlier night, "
            f"by {float((after - before).sum()):+.2f} in total",
            **where,
        )


def _check_gone(overlap: _Overlap, verdict: Verdict) -> None:
    spoke, speaks = overlap.both("has_spend_row")
    gone, spend = (spoke > 0) & (speaks == 0), overlap.both("spend")[0]
    money, total = float(spend[gone].sum()), float(spend.sum())
    if total <= 0 or money <= MATERIAL * total:
        return
    verdict.add(
        Level.FAIL if money > GONE * total else Level.REVIEW,
        "rows-gone",
        f"spend: {int(gone.sum())} rows with {money / total:.0%} of the money that an "
        "earlier night saw are gone",
        "check whether the file is cut off",
        source="spend",
    )
