"""A portfolio's own past: as it is reported today, and as earlier nights saw it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline.core.errors import ConfigError, DataNotTrustedError, PipelineError
from pipeline.core.findings import Level
from pipeline.core.history import History
from pipeline.io import quality, warehouse
from pipeline.io.artefacts import begin_run, list_runs, open_run
from pipeline.io.sources import read_snapshot
from pipeline.io.vintages import read_vintages
from pipeline.runs.inputs import freeze_inputs, read_inputs
from pipeline.runs.portfolio import Portfolio
from pipeline.simulation.backtest import Past


def read_past(portfolio: Portfolio, day: date) -> History:
    """Return everything before `day`, as the sources report it now, up to the newest spend.

    The portfolio's runs and plans are left alone.

    Raises:
        ConfigError: outcomes are not known line by line.
        DataNotTrustedError: the sources cannot be read, or hold nothing before `day`.
    """
    if portfolio.policy.sources.outcomes.by is not None:
        raise ConfigError(
            "backtest: scores lines by their own outcomes, and sources.outcomes.by says that they "
            "are known for groups of lines only; run lift tests, and read model.identified"
        )
    with TemporaryDirectory(prefix="equimarginal-") as folder:
        work = begin_run(str(Path(folder) / "runs"), "backtest")
        freeze_inputs(portfolio, day, work)
        broken = [
            finding
            for finding in read_snapshot(portfolio.policy, portfolio.folder, work)
            if finding.level is Level.FAIL
        ]
        if not broken:
            warehouse.build(work, portfolio.policy, day, portfolio.today())
        if broken or not work.exists(warehouse.LINE_DAY):
            why = broken[0].message if broken else f"no row before {day.isoformat()}"
            raise DataNotTrustedError(
                f"backtest: the sources cannot be used: {why}; "
                "'equimarginal check' lists every problem"
            )
        quality.validate(work, portfolio.policy, day)  # says which cells not to learn from
        return _trimmed(warehouse.read_history(work, portfolio.policy))


def known_pasts(portfolio: Portfolio) -> dict[date, Past]:
    """Return what each night's run kept of the past, by the night's day."""
    pasts: dict[date, Past] = {}
    objective = portfolio.policy.objective
    for name in list_runs(portfolio.runs):
        try:
            run = open_run(portfolio.runs, name)
            history = warehouse.read_history(run, portfolio.policy)
            vintages = read_vintages(run, objective.counted(history.outcomes))
            pasts[read_inputs(run).day] = Past(history=history, vintages=vintages)
        except PipelineError:
            continue  # a run that staged nothing, or was kept by another version
    return pasts


def _trimmed(history: History) -> History:
    """Return the history without the days after the newest spend."""
    spent = np.flatnonzero(history.spend.sum(axis=1) > 0)
    end = int(spent[-1]) + 1 if spent.size else len(history.days)
    return history.until(end)
