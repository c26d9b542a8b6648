"""The joint fit of totals beside its peers, on the same seeded markets, CPU seconds.

    .venv/bin/python -m benchmarks.mix [--seeds 10] [--write]

Every fitter gets the same 156 weeks of 5 lines, a noisy index of demand as a control, and is
scored alike: median relative error of contributions and of marginal returns at today's spend, the
share of the attainable gain that the best split on its mean curves truly earns (30 % a line, same
total), and how many true marginal returns lie in its 90 % intervals. Peers are run by interpreters
of their own, see benchmarks/peers/README.md; one that is not given is said to be absent.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.numbers import fill
from pipeline.core.history import ALL_LINES, History, Measured
from pipeline.response import fit_joint
from pipeline.simulation.mix import Mix, make_mix

DOCUMENT = Path(__file__).parents[1] / "docs" / "model.md"
KNOTS = np.linspace(0.0, 2.0, 41)  # of the usual spend
MOVE = 0.3  # how far a plan may move a line
PEERS = {
    "PyMC-Marketing, nutpie 4 x (1000 + 1000)": (
        "EQUIMARGINAL_PYMC_PYTHON",
        "pymc_marketing_fit.py",
    ),
    "Meridian, 4 x (400 + 200)": ("EQUIMARGINAL_MERIDIAN_PYTHON", "meridian_fit.py"),
}


def weekly(values: np.ndarray) -> np.ndarray:
    """Return sums of whole weeks, first axis."""
    return values.reshape(-1, 7, *values.shape[1:]).sum(axis=1)


def job_of(mix: Mix, seed: int) -> dict[str, Any]:
    """Return the market as every fitter gets it: weeks."""
    return {
        "seed": seed,
        "dates": [day.isoformat() for day in mix.days[::7]],
        "spend": weekly(mix.spend).tolist(),
        "outcome": weekly(mix.outcome).tolist(),
        "index": (weekly(mix.index) / 7).tolist(),
        "knots": (7 * KNOTS[:, None] * mix.usual).tolist(),
        "usual": (7 * mix.usual).tolist(),
    }


def history_of(mix: Mix, period_days: int) -> History:
    """Return the market as a portfolio's history: days, or weeks spread over their days."""

    def seen(values: np.ndarray) -> np.ndarray:
        if period_days == 1:
            return values
        return np.repeat(weekly(values) / 7, 7, axis=0)

    known = np.ones((len(mix.days), 1), dtype=bool)
    return History(
        days=mix.days,
        lines=tuple((name,) for name in mix.names),
        spend=seen(mix.spend),
        outcomes={},
        trusted=np.ones(mix.spend.shape, dtype=bool),
        measured=Measured(
            levels=(),
            units=(ALL_LINES,),
            outcomes={"revenue": seen(mix.outcome)[:, None]},
            controls={"index": seen(mix.index)[:, None]},
            trusted=known,
            period_days=period_days,
        ),
    )


def ours(mix: Mix, seed: int, period_days: int = 7) -> dict[str, Any]:
    """Return our answer in the form of the peers': per week."""
    history = history_of(mix, period_days)
    started = time.process_time()
    posterior = fit_joint(history, "revenue", np.random.default_rng(seed))
    knots = KNOTS[:, None] * mix.usual
    curves = np.array([posterior.value_at(row).mean(axis=0) for row in knots])
    step = 1e-3 * mix.usual
    above, below = posterior.value_at(mix.usual + step), posterior.value_at(mix.usual - step)
    marginal = (above - below) / (2 * step)
    contribution = sum(posterior.value_at(row).mean(axis=0) for row in history.spend[::7]) * 7
    took = time.process_time() - started
    low, high = np.quantile(marginal, [0.05, 0.95], axis=0)
    return {
        "cpu": took,
        "contribution": contribution,
        "curves": 7 * curves,
        "marginal": [marginal.mean(axis=0), low, high],
    }


def score(mix: Mix, answer: dict[str, Any]) -> dict[str, float]:
    """Return how near an answer comes to the truth, and what following it earns."""
    truth = mix.marginal(mix.usual)
    mean, low, high = (np.asarray(row) for row in answer["marginal"])
    return {
        "cpu": float(answer["cpu"]),
        "contribution": float(
            np.median(np.abs(np.asarray(answer["contribution"]) / mix.contribution - 1))
        ),
        "marginal": float(np.median(np.abs(mean / truth - 1))),
        "gain": captured(mix, np.asarray(answer["curves"]) / 7),
        "cover": float(((low <= truth) & (truth <= high)).mean()),
    }


def captured(mix: Mix, curves: np.ndarray) -> float:
    """Return the share of the attainable gain that the best split on the curves truly earns."""
    grid = np.linspace(1 - MOVE, 1 + MOVE, 121)[:, None] * mix.usual
    learned = np.column_stack(
        [np.interp(grid[:, i], KNOTS * mix.usual[i], curves[:, i]) for i in range(mix.usual.size)]
    )
    best, chosen = best_split(grid, mix.value(grid)), best_split(grid, learned)
    now = mix.value(mix.usual).sum()
    return float((mix.value(chosen).sum() - now) / (mix.value(best).sum() - now))


def best_split(grid: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return the best split of today's total on a fine grid: steps by falling marginal return."""
    hull = np.maximum.accumulate(value, axis=0)
    slope, step = np.diff(hull, axis=0) / np.diff(grid, axis=0), np.diff(grid, axis=0)
    falling = np.minimum.accumulate(slope, axis=0)
    order = np.argsort(-falling, axis=None, kind="stable")
    left = grid[(grid.shape[0] - 1) // 2].sum() - grid[0].sum()
    spend = grid[0].copy()
    for flat in order:
        _, line = np.unravel_index(flat, slope.shape)
        taken = min(float(step.flat[flat]), left)
        spend[line] += taken
        left -= taken
        if left <= 0:
            break
    return spend


def peer(variable: str, script: str) -> Callable[[Mix, int], dict[str, Any]] | None:
    """Return a fitter that runs in an interpreter of its own, None where none is given."""
    interpreter = os.environ.get(variable)
    if not interpreter:
        return None
    path = str(Path(__file__).parent / "peers" / script)

    def fit(mix: Mix, seed: int) -> dict[str, Any]:
        done = subprocess.run(
            [interpreter, path],
            input=json.dumps(job_of(mix, seed)),
            capture_output=True,
            text=True,
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="put the table into docs/model.md")
    options = parser.parse_args()
    table = table_of(range(1, 1 + options.seeds))
    if options.write:
        document = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(fill(document, "mix", table), encoding="utf-8")


def table_of(seeds: range) -> str:
    """Return every fitter's scores on the markets as a table; each row is printed when it is known.

    A fitter that is not installed has a row that says so.
    """
    fitters: dict[str, Callable[[Mix, int], dict[str, Any]] | None] = {
        "ours, weeks": ours,
        "ours, days": lambda mix, seed: ours(mix, seed, 1),
        **{name: peer(*place) for name, place in PEERS.items()},
    }
    lines = [
        f"{len(seeds)} markets, medians (gain: mean, median, and from least to most; cover: mean)",
        "",
        "| fitter | CPU s | contribution error | marginal error | gain | cover |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name, fit in fitters.items():
        if fit is None:
            row = f"| {name} | not run: {PEERS[name][0]} names no interpreter | | | | |"
        else:
            row = _row(name, [score(m, fit(m, seed)) for seed in seeds for m in [make_mix(seed)]])
        print(row, flush=True)
        lines.append(row)
    return "\n".join(lines)


def _row(name: str, rows: list[dict[str, float]]) -> str:
    middle = {key: float(np.median([row[key] for row in rows])) for key in rows[0]}
    mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    gain = [row["gain"] for row in rows]
    return (
        f"| {name} | {middle['cpu']:.2f} | {middle['contribution']:.2f} | "
        f"{middle['marginal']:.2f} | {mean['gain']:.2f}, {middle['gain']:.2f}, "
        f"{min(gain):.1f} to {max(gain):.1f} | {mean['cover']:.0%} |"
    )


if __name__ == "__main__":
    main()
