"""Meridian on one market, as a national model: run by its own interpreter, JSON in, JSON out."""

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
    from meridian.data import data_frame_input_data_builder as builders
    from meridian.model import model, spec

    spend = np.array(job["spend"])
    names = [f"c{i}" for i in range(spend.shape[1])]
    table = pd.DataFrame(spend, columns=names)
    for name in names:
        table[f"{name}_spend"] = table[name]
    table["time"] = job["dates"]
    table["index"] = job["index"]
    table["kpi"] = job["outcome"]
    started = time.process_time()
    data = (
        builders.DataFrameInputDataBuilder(kpi_type="revenue", default_kpi_column="kpi")
        .with_kpi(table)
        .with_controls(table, control_cols=["index"])
        .with_media(
            table,
            media_cols=names,
            media_spend_cols=[f"{name}_spend" for name in names],
            media_channels=names,
        )
        .build()
    )
    mmm = model.Meridian(input_data=data, model_spec=spec.ModelSpec(knots=12))
    mmm.sample_posterior(n_chains=4, n_adapt=300, n_burnin=100, n_keep=200, seed=job["seed"])
    post = mmm.inference_data.posterior.stack(sample=("chain", "draw"))  # noqa: PD013  xarray

    def drawn(name: str) -> np.ndarray:
        found = post[name].values  # (channel or geo x channel, samples)
        return found.reshape(-1, found.shape[-1]).T

    beta, half, slope = drawn("beta_gm"), drawn("ec_m"), drawn("slope_m")
    scale_x = np.median(np.where(spend > 0, spend, np.nan), axis=0)
    scale_y = float(np.std(np.array(job["outcome"])))

    def value(amount: np.ndarray) -> np.ndarray:
        x = np.power(amount[None] / scale_x, slope[:, None])
        return beta[:, None] * x / (x + np.power(half[:, None], slope[:, None])) * scale_y

    knots, usual = np.array(job["knots"]), np.array(job["usual"])
    step = 1e-3 * usual
    marginal = (value((usual + step)[None]) - value((usual - step)[None]))[:, 0] / (2 * step)
    roi = drawn("roi_m").mean(axis=0)
    took = time.process_time() - started
    low, high = np.quantile(marginal, [0.05, 0.95], axis=0)
    json.dump(
        {
            "cpu": took,
            "contribution": (roi * spend.sum(axis=0)).tolist(),
            "curves": value(knots).mean(axis=0).tolist(),
            "marginal": [marginal.mean(axis=0).tolist(), low.tolist(), high.tolist()],
        },
        answers,
    )


if __name__ == "__main__":
    main()
