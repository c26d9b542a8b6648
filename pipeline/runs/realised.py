"""What came of money and outcomes as known by now, by what outcomes are known by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.types import FloatArray
from pipeline.io import vintages
from pipeline.io.artefacts import RunFolder
from pipeline.runs.inputs import Inputs
from pipeline.scoring.scores import Realised, Spent

if TYPE_CHECKING:
    from pipeline.core.history import History
    from pipeline.core.objective import Objective
    from pipeline.io.facts import Facts as Tables


def realised_by_now(work: RunFolder, inputs: Inputs, tables: Tables, history: History) -> Realised:
    """Return what forecasts are held against: of lines, or of the groups that are known."""
    from pipeline.response.joint.units import OPEN_DAYS

    metric, side = inputs.policy.objective.maximize, history.outcome_side
    trusted, spent = side.trusted, None
    if side is not history:
        # A total is whole enough to be held against where it is whole enough to learn from.
        trusted[-OPEN_DAYS:] = False
        spent = Spent(lines=history.lines, spend=tables.spend)
    complete, doubt = _completeness(work, history, inputs.policy.objective)
    return Realised(
        days=history.days,
        lines=side.lines,
        spend=tables.outcome_side.spend,
        outcome=side.outcomes.get(metric, np.zeros_like(side.spend)),
        complete=complete,
        doubt=doubt,
        trusted=trusted,
        spent=spent,
    )


def _completeness(
    work: RunFolder, history: History, objective: Objective
) -> tuple[FloatArray, FloatArray]:
    """Return the share of every day's outcome that is thought to be reported by now, and its doubt.

    Of what outcomes are known by, (n_days, n), and of all alike, (n_days,), in logs. Where nothing
    was seen to arrive late, measured outcomes are taken as the fit takes them: as whole once the
    newest days are over.
    """
    from pipeline.response.joint.units import OPEN_DAYS
    from pipeline.response.maturity import learn_maturity

    measured = history.measured
    seen = vintages.read_vintages(work, objective.counted(history.metrics))
    names = history.lines if measured is None else measured.units
    maturity = learn_maturity(
        seen if seen.day.size else None, len(history.days), [name[0] for name in names]
    )
    share = maturity.share
    if measured is not None and not maturity.snapshots:
        share[:-OPEN_DAYS] = 1.0
    return share, maturity.log_sd
