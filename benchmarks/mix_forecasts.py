"""How often totals that nobody attributed end where a joint fit forecast them.

    .venv/bin/python -m benchmarks.mix_forecasts [--seeds 24] [--write]

Markets of `pipeline.simulation.mix` that the forecasts were never made with: demand wanders, has a
season and is chased by spend, and an index shows it with noise. Of each market two fortnights are
forecast under the money that was really spent, from what was known before them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.mix import history_of
from benchmarks.numbers import fill
from pipeline.core.forecast import HORIZONS
from pipeline.core.history import History
from pipeline.response import fit_joint
from pipeline.response.joint import joint_predictive
from pipeline.simulation.mix import make_mix

DOCUMENT = Path(__file__).parents[1] / "docs" / "learning.md"
FIRST_SEED, SEEDS = 401, 24
PASTS = ((1, 120), (1, 250), (1, 400), (1, 728), (7, 224), (7, 420), (7, 728), (7, 1092))
"""Days a row spans, and days of history."""

FORTNIGHT, APART = 14, 28


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--write", action="store_true", help="put the table into docs/learning.md")
    options = parser.parse_args()
    table = foreseen_block(options.seeds)
    if options.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(fill(text, "foreseen", table), encoding="utf-8")


def foreseen_block(seeds: int = SEEDS) -> str:
    """Return coverage, spread and error by history and horizon as a table; rows print as known."""
    rows = [
        f"{seeds} markets of 5 lines, two fortnights each:",
        "",
        "| history | days forecast | 90 % interval held | spread of surprises | typical error "
        "| of repeating last week |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(rows), flush=True)
    for period_days, n_days in PASTS:
        found: dict[int, list[tuple[float, ...]]] = {}
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            mix = make_mix(seed, n_days=n_days + APART + FORTNIGHT)
            for cut in (n_days, n_days + APART):
                for days, score in scores(history_of(mix, period_days), cut, seed):
                    found.setdefault(days, []).append(score)
        name = f"{n_days} days" if period_days == 1 else f"{n_days // 7} weeks"
        for days, values in found.items():
            held, surprise, error, naive = np.array(values).T
            row = (
                f"| {name} | {days} | {held.mean():.0%} | {surprise.std():.2f} "
                f"| {np.median(error):.1%} | {np.median(naive):.1%} |"
            )
            rows.append(row)
            print(row, flush=True)
    return "\n".join(rows)


def scores(history: History, cut: int, seed: int) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Yield for each horizon whether its interval held, surprise, error and that of last week."""
    past, measured = history.until(cut), history.measured
    assert measured is not None
    posterior = fit_joint(past, "revenue", np.random.default_rng(seed))
    ahead = joint_predictive(posterior, past, np.random.default_rng(seed + 1))
    spend = history.spend[cut : cut + FORTNIGHT]
    drawn = ahead.outcomes(spend, np.random.default_rng(seed + 2))[:, :, 0]
    outcome = measured.outcomes["revenue"][:, 0]
    for days in (days for days in HORIZONS if days % measured.period_days == 0):
        total = drawn[:, : days // measured.period_days].sum(axis=1)
        came = outcome[cut : cut + days].sum()
        week = outcome[cut - 7 : cut]
        naive = week[0] if days == 1 else week.mean() * days
        low, high = np.quantile(total, [0.05, 0.95])
        surprise = (came - total.mean()) / total.std()
        yield (
            days,
            (
                float(low <= came <= high),
                float(surprise),
                abs(came - total.mean()) / came,
                abs(came - naive) / came,
            ),
        )


if __name__ == "__main__":
    main()
