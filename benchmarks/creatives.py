"""Creative rotation on public data, and its speed beside MABWiser where that is installed.

    python -m benchmarks.creatives [FOLDER]

FOLDER holds `creative_upworthy/packages.parquet` and `creative_facebook_kag/facebook_ads.csv`; the
rates that were observed there stand in for the truth, so gaps are overstated alike for everybody.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from pipeline.bandits.rotation.best import probability_best
from pipeline.bandits.rotation.ratio import BROKEN, sample_ratio_p
from pipeline.simulation.creatives import CreativeWorld
from pipeline.simulation.rotation_scores import POLICIES, score_worlds

NIGHTS = 7
TESTS = 600


def upworthy(path: Path) -> None:
    """Replay randomised headline tests over a week each, and check the randomisation."""
    import pyarrow.parquet as pq

    data = pq.read_table(path).to_pandas()
    flags: dict[bool, list[bool]] = {True: [], False: []}
    worlds = []
    for _, test in data.groupby("clickability_test_id"):
        is_broken = bool(test["rand_problem_period"].iloc[0])
        flags[is_broken].append(sample_ratio_p(test["impressions"].to_numpy(float)) < BROKEN)
        arms = test.groupby(["headline", "eyecatcher_id"])[["impressions", "clicks"]].sum()
        if not is_broken and len(arms) > 1 and (arms["clicks"] > 0).all():
            worlds.append(_world(arms["clicks"] / arms["impressions"], arms["impressions"].sum()))
    print(
        f"sample ratio below {BROKEN}: {np.mean(flags[True]):.1%} of {len(flags[True])} tests of "
        f"the broken window, {np.mean(flags[False]):.2%} of {len(flags[False])} others"
    )
    chosen = np.random.default_rng(0).permutation(len(worlds))[:TESTS]
    _scores("headline tests, a week", [worlds[i] for i in chosen])


def facebook(path: Path) -> None:
    """Replay an advertiser's interests inside age and gender over four weeks."""
    import pandas as pd

    data = pd.read_csv(path)
    cells = data.groupby(["age", "gender", "interest"])[["Impressions", "Clicks"]].sum()
    worlds = []
    for _, cell in cells.groupby(level=[0, 1]):
        usable = cell[cell["Clicks"] >= 20]
        if len(usable) > 1:
            rate = usable["Clicks"] / usable["Impressions"]
            worlds += [_world(rate, usable["Impressions"].sum(), nights=28)] * 5
    _scores("social ads, four weeks", worlds)


def _world(rate: object, shown: float, nights: int = NIGHTS) -> CreativeWorld:
    p = np.asarray(rate, dtype=float)
    shape = (nights, 1, p.size)
    return CreativeWorld(
        logit=np.broadcast_to(np.log(p / (1 - p)), shape),
        wear=0.0,
        traffic=np.full((nights, 1), np.round(shown / nights)),
        is_there=np.ones(shape, dtype=bool),
    )


def _scores(what: str, worlds: list[CreativeWorld]) -> None:
    print(f"{what}: {len(worlds)} replays")
    for name in POLICIES:
        score = score_worlds(what, worlds, range(len(worlds)), name)
        print(
            f"  {name:<18} captured {score.captured:6.3f}   below even {score.losing:5.1%}   "
            f"retired {score.retired}, best among them {score.best_retired}",
            flush=True,
        )


def speed() -> None:
    """Time P(best) of twenty choices: quadrature, and a MABWiser Thompson policy asked as often."""
    rng = np.random.default_rng(0)
    mean, sd = rng.normal(-4, 0.3, 20), rng.uniform(0.02, 0.2, 20)
    start = time.process_time()
    for _ in range(50):
        probability_best(mean, sd)
    print(f"P(best) of 20 creatives: {(time.process_time() - start) / 50 * 1e3:.2f} ms")
    try:
        from mabwiser.mab import MAB, LearningPolicy
    except ImportError:
        print("MABWiser is not installed here: pip install mabwiser beside, to compare")
        return
    arms = list(range(20))
    mab = MAB(arms, LearningPolicy.ThompsonSampling(), seed=1)
    n = 40_000
    decisions = rng.integers(0, 20, n)
    mab.fit(decisions, rng.binomial(1, np.exp(mean)[decisions]))
    start = time.process_time()
    for _ in range(4_000):
        mab.predict()
    print(f"MABWiser, 4,000 draws for the same: {(time.process_time() - start) * 1e3:.0f} ms")


def main() -> None:
    """Run what the data at hand allow."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("shared/data")
    speed()
    for run, name in (
        (upworthy, "creative_upworthy/packages.parquet"),
        (facebook, "creative_facebook_kag/facebook_ads.csv"),
    ):
        if (folder / name).is_file():
            run(folder / name)
        else:
            print(f"{folder / name}: not there, left out")


if __name__ == "__main__":
    main()
