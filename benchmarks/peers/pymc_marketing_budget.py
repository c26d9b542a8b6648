"""PyMC-Marketing's budget optimiser on a fitted model: its own interpreter, JSON in, JSON out."""

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
    import xarray
    from pymc_marketing.mmm import GeometricAdstock, LogisticSaturation
    from pymc_marketing.mmm.multidimensional import (
        MMM,
        MultiDimensionalBudgetOptimizerWrapper,
    )

    spend = np.array(job["spend"])
    names = [f"c{i}" for i in range(spend.shape[1])]
    table = pd.DataFrame(spend, columns=names)
    table["date"] = pd.to_datetime(job["dates"])
    mmm = MMM(
        date_column="date", channel_columns=names, target_column="y",
        adstock=GeometricAdstock(l_max=8), saturation=LogisticSaturation(),
    )  # fmt: skip
    mmm.fit(
        table, pd.Series(job["outcome"], name="y"), nuts_sampler="nutpie", chains=2,
        tune=job["draws"] // 2, draws=job["draws"] // 2, random_seed=job["seed"],
        progressbar=False,
    )  # fmt: skip
    usual = spend.mean(axis=0)
    last = table["date"].iloc[-1]
    wrapper = MultiDimensionalBudgetOptimizerWrapper(
        model=mmm, start_date=last + pd.Timedelta(weeks=1), end_date=last + pd.Timedelta(weeks=1)
    )
    bounds = xarray.DataArray(
        np.stack([0.7 * usual, 1.3 * usual], axis=1), dims=["channel", "bound"],
        coords={"channel": names, "bound": ["lower", "upper"]},
    )  # fmt: skip
    started, said, split = time.process_time(), "found a split", None
    try:
        found, _ = wrapper.optimize_budget(budget=float(usual.sum()), budget_bounds=bounds)
        split = found.sel(channel=names).values.tolist()
    except Exception as error:  # noqa: BLE001  a peer that gives up is a result
        said = f"raised {type(error).__name__}"
    took = time.process_time() - started
    post = mmm.idata.posterior.stack(sample=("chain", "draw"))  # noqa: PD013  xarray
    lam = post["saturation_lam"].transpose("sample", "channel").values
    beta = post["saturation_beta"].transpose("sample", "channel").values
    knots = np.array(job["knots"])[:, None] * usual
    x = lam[:, None, :] * knots[None] / np.abs(spend).max(axis=0)
    curves = (beta[:, None, :] * (1 - np.exp(-x)) / (1 + np.exp(-x))).mean(axis=0)
    json.dump({"cpu": took, "said": said, "split": split, "curves": curves.tolist()}, answers)


if __name__ == "__main__":
    main()
