"""Meridian's budget optimiser on a fitted model: run by its own interpreter, JSON in, JSON out."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job = json.load(sys.stdin)
    from meridian.analysis import analyzer, optimizer
    from meridian.data import data_frame_input_data_builder as builders
    from meridian.model import model, spec

    spend = np.array(job["spend"])
    names = [f"c{i}" for i in range(spend.shape[1])]
    table = pd.DataFrame(spend, columns=names)
    table = table.join(table.add_suffix("_spend")).assign(time=job["dates"], kpi=job["outcome"])
    data = (
        builders.DataFrameInputDataBuilder(kpi_type="revenue", default_kpi_column="kpi")
        .with_kpi(table)
        .with_media(
            table,
            media_cols=names,
            media_spend_cols=[f"{name}_spend" for name in names],
            media_channels=names,
        )
        .build()
    )
    mmm = model.Meridian(input_data=data, model_spec=spec.ModelSpec(knots=12))
    half = job["draws"] // 2
    mmm.sample_posterior(n_chains=2, n_adapt=half, n_burnin=100, n_keep=half, seed=job["seed"])
    started, said, split = time.process_time(), "found a split", None
    try:
        found = optimizer.BudgetOptimizer(mmm).optimize()  # its defaults: the budget, 30 % each way
        split = found.optimized_data.spend.sel(channel=names).values
        split = (split / len(spend)).tolist()
    except Exception as error:  # noqa: BLE001  a peer that gives up is a result
        said = f"raised {type(error).__name__}"
    took = time.process_time() - started
    drawn = analyzer.Analyzer(mmm).response_curves(spend_multipliers=job["knots"])
    curves = drawn.incremental_outcome.sel(metric="mean", channel=names)
    curves = curves.transpose("spend_multiplier", "channel").values / len(spend)
    json.dump({"cpu": took, "said": said, "split": split, "curves": curves.tolist()}, answers)


if __name__ == "__main__":
    main()
