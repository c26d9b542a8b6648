"""PyMC-Marketing on one market: run by its own interpreter, JSON in, JSON out."""

from __future__ import annotations

import json
import os
import resource
import sys
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")


def cpu_seconds() -> float:
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job = json.load(sys.stdin)
    from pymc_marketing.mmm import MMM, GeometricAdstock, LogisticSaturation

    spend = np.array(job["spend"])
    names = [f"c{i}" for i in range(spend.shape[1])]
    table = pd.DataFrame(spend, columns=names)
    table["date"] = pd.to_datetime(job["dates"])
    table["index"] = job["index"]
    outcome = np.array(job["outcome"])
    started = cpu_seconds()
    mmm = MMM(
        date_column="date",
        channel_columns=names,
        control_columns=["index"],
        adstock=GeometricAdstock(l_max=8),
        saturation=LogisticSaturation(),
        yearly_seasonality=2,
    )
    mmm.fit(
        table,
        pd.Series(outcome, name="y"),
        nuts_sampler="nutpie",
        chains=4,
        tune=1000,
        draws=1000,
        random_seed=job["seed"],
        progressbar=False,
    )
    post = mmm.idata.posterior.stack(sample=("chain", "draw"))  # noqa: PD013  xarray
    scale_y = np.abs(outcome).max()
    scale_x = np.abs(spend).max(axis=0)
    lam = post["saturation_lam"].transpose("sample", "channel").values
    beta = post["saturation_beta"].transpose("sample", "channel").values

    def value(amount: np.ndarray) -> np.ndarray:
        """Outcome a week at a steady spend, (samples, knots, channels)."""
        x = lam[:, None, :] * amount[None] / scale_x
        return beta[:, None, :] * (1 - np.exp(-x)) / (1 + np.exp(-x)) * scale_y

    knots = np.array(job["knots"])
    curves = value(knots).mean(axis=0)
    usual = np.array(job["usual"])
    step = 1e-3 * usual
    marginal = ((value((usual + step)[None]) - value((usual - step)[None]))[:, 0]) / (2 * step)
    contribution = post["channel_contribution"].mean("sample").transpose("date", "channel").values
    took = cpu_seconds() - started
    low, high = np.quantile(marginal, [0.05, 0.95], axis=0)
    json.dump(
        {
            "cpu": took,
            "contribution": (contribution.sum(axis=0) * scale_y).tolist(),
            "curves": curves.tolist(),
            "marginal": [marginal.mean(axis=0).tolist(), low.tolist(), high.tolist()],
        },
        answers,
    )


if __name__ == "__main__":
    main()
