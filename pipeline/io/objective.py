"""The north-star metric built from its parts, and whether declared totals add up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.objective import Objective
from pipeline.core.types import FloatArray
from pipeline.io.facts import Facts
from pipeline.io.verdict import Verdict

RECENT_DAYS = 28
OFF = 0.01
"""Share by which a total may differ from its parts before anybody is told."""


def with_objective(
    outcomes: Mapping[str, FloatArray], objective: Objective
) -> Mapping[str, FloatArray]:
    """Return the outcomes with the sum of the valued parts; as they are where one is missing."""
    if not objective.values or not objective.values.keys() <= outcomes.keys():
        return outcomes
    total = sum(outcomes[name] * worth for name, worth in sorted(objective.values.items()))
    return {**outcomes, objective.maximize: np.asarray(total)}


def check_totals(facts: Facts, objective: Objective, verdict: Verdict) -> None:
    """Find declared totals that are not what their parts add up to on the last four weeks."""
    for total, parts in sorted(objective.totals.items()):
        if not {total, *parts} <= facts.outcomes.keys():
            continue
        whole = np.nan_to_num(facts.outcomes[total])[-RECENT_DAYS:].sum(axis=1)
        added = sum(np.nan_to_num(facts.outcomes[part])[-RECENT_DAYS:] for part in parts)
        summed = np.asarray(added).sum(axis=1)
        most = max(float(whole.sum()), float(summed.sum()))
        off = float(whole.sum() - summed.sum())
        if most <= 0 or abs(off) <= OFF * most:
            continue
        apart = np.abs(whole - summed) > OFF * np.maximum(np.maximum(whole, summed), 1e-12)
        since = facts.days[-RECENT_DAYS:][int(np.flatnonzero(apart)[0])]
        side = "are missing from its parts" if off > 0 else "are in its parts beyond it"
        verdict.add(
            Level.REVIEW,
            "totals",
            f"outcomes: {total} is {whole.sum():g} in {len(whole)} days and "
            f"{' + '.join(parts)} is {summed.sum():g}: {abs(off):g} {side}, "
            f"since {since.isoformat()}",
            "name every part under objective.totals, or see which conversion type stopped or "
            "counts twice",
            source="outcomes",
            column=total,
        )
