"""A newest day that is an older one again: a file that was sent twice, the second time redated."""

from __future__ import annotations

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.types import BoolArray, FloatArray
from pipeline.io.facts import Facts
from pipeline.io.verdict import Verdict

FURTHEST = 28  # days back that a day may be a copy of
USUAL_DAYS = 60  # that show how often a line's numbers are the same on two days
NEARLY_ALL = 0.9  # of the day's money
EVIDENCE = 20.0  # log odds against chance


def check_copied_day(facts: Facts, verdict: Verdict) -> None:
    """Find a newest day whose money and counts are, line by line, those of a day before.

    Money alone is no sign, since it may be spent to the cent as it was set, and neither are numbers
    that come again and again: a cell counts by how seldom its line has the same on two days. It may
    all be true, so it is said and stops nothing.
    """
    counted = [table for table in (facts.clicks, facts.impressions) if np.isfinite(table[-1]).any()]
    tables, money = [facts.spend, *counted], facts.spend[-1]
    is_counted = np.any([np.isfinite(table[-1]) for table in counted], axis=0)
    alike = {
        back: is_counted & np.all([_same(table, back) for table in tables], axis=0)
        for back in range(1, min(FURTHEST, len(facts.days) - 1) + 1)
    }
    nearly = {
        back: same
        for back, same in alike.items()
        if 0 < NEARLY_ALL * money.sum() <= money[same].sum()
    }
    if not nearly:
        return
    rare = np.sum([_rarity(table[-1 - USUAL_DAYS : -1]) for table in tables], axis=0)
    rare[(money <= 0) | (money == facts.budget[-1])] = 0.0
    evidence, back = max((float(rare[same].sum()), -back) for back, same in nearly.items())
    if evidence >= EVIDENCE:
        verdict.add(
            Level.REVIEW,
            "copied-day",
            f"spend: money and counts of {facts.days[-1]} are, line by line, those of "
            f"{facts.days[back - 1]}, as when a file is sent again under a new date",
            "compare the day with the platform, and fetch it again",
            source="spend",
            column="date",
            value=str(facts.days[-1]),
        )


def _same(table: FloatArray, back: int) -> BoolArray:
    """Return the lines whose newest number is that of a day before; unknown is the same as that."""
    newest, then = table[-1], table[-1 - back]
    return np.asarray((newest == then) | (np.isnan(newest) & np.isnan(then)))


def _rarity(table: FloatArray) -> FloatArray:
    """Return minus the log share of pairs of days on which each line has the same, (n_lines,)."""
    days = len(table)
    pairs = days * (days - 1) / 2
    if not pairs:
        return np.zeros(table.shape[1])
    equal = np.sum([(table[back:] == table[:-back]).sum(axis=0) for back in range(1, days)], axis=0)
    return np.asarray(-np.log(np.maximum(equal, 1) / pairs) * np.isfinite(table).any(axis=0))
