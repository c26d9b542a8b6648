"""Creative rotation on public data, and its speed beside MABWiser where that is installed.

    python -m benchmarks.creatives [FOLDER] [--write]

`--write` puts the replays into docs/rotation.md. FOLDER holds
`creative_upworthy/packages.parquet` and `creative_facebook_kag/facebook_ads.csv`; the rates that
were observed there stand in for the truth, so gaps are overstated alike for everybody.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.decisions import table
from benchmarks.numbers import ROOT, fill
from pipeline.bandits.rotation.best import probability_best
from pipeline.bandits.rotation.ratio import BROKEN, sample_ratio_p
from pipeline.core.rotation_rules import RotationRules
from pipeline.simulation.creatives import CreativeWorld
from pipeline.simulation.rotation_scores import POLICIES, score_worlds

NIGHTS = 7
TESTS = 600
FACEBOOK_TIMES = 50
"""Replays of each of the advertiser's audiences, each with its own chance."""
ROTATION = ROOT / "docs" / "rotation.md"


def upworthy(path: Path) -> str:
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
    chosen = np.random.default_rng(0).permutation(len(worlds))[:TESTS]
    found = _scores("Upworthy headline tests, a week", [worlds[i] for i in chosen])
    return (
        f"{found}\n\nThe sample-ratio check is below {BROKEN} in {np.mean(flags[True]):.0%} of the "
        f"{len(flags[True])} tests of the archive's broken window and in "
        f"{np.mean(flags[False]):.1%} of the other {len(flags[False]):,}."
    )


def facebook(path: Path) -> str:
    """Replay an advertiser's interests inside age and gender over four weeks."""
    import pandas as pd

    data = pd.read_csv(path)
    cells = data.groupby(["age", "gender", "interest"])[["Impressions", "Clicks"]].sum()
    worlds = []
    for _, cell in cells.groupby(level=[0, 1]):
        usable = cell[cell["Clicks"] >= 20]
        if len(usable) > 1:
            rate = usable["Clicks"] / usable["Impressions"]
            worlds += [_world(rate, usable["Impressions"].sum(), nights=28)] * FACEBOOK_TIMES
    return _scores("Facebook ads, four weeks", worlds)


def _world(rate: object, shown: float, nights: int = NIGHTS) -> CreativeWorld:
    p = np.asarray(rate, dtype=float)
    shape = (nights, 1, p.size)
    return CreativeWorld(
        logit=np.broadcast_to(np.log(p / (1 - p)), shape),
        wear=0.0,
        traffic=np.full((nights, 1), np.round(shown / nights)),
        is_there=np.ones(shape, dtype=bool),
    )


def _scores(what: str, worlds: list[CreativeWorld]) -> str:
    rows, ours = [], None
    for name in POLICIES:
        score = score_worlds(what, worlds, range(len(worlds)), name)
        ours = ours or score
        rows.append(
            [name, f"{score.captured:.2f}", f"{score.losing:.0%}", str(score.retired),
             str(score.best_retired)]
        )  # fmt: skip
    assert ours is not None
    error = RotationRules().retire.error
    said = table(
        [f"{what}: {len(worlds)} replays", "captured", "below even", "taken out", "best of all"],
        rows,
    )
    return (
        f"{said}\n\nHere ours took out {ours.retired}, {ours.best_retired} of them the observed "
        "best: "
        f"{ours.best_retired / max(ours.retired, 1):.1%} of those it took out, where a night of "
        f"`retire` errs by {error:.0%} at most, and {ours.best_retired / len(worlds):.1%} of the "
        "replays."
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
    given = [argument for argument in sys.argv[1:] if argument != "--write"]
    folder = Path(given[0]) if given else Path("data")
    speed()
    found = []
    for run, name in (
        (upworthy, "creative_upworthy/packages.parquet"),
        (facebook, "creative_facebook_kag/facebook_ads.csv"),
    ):
        if not (folder / name).is_file():
            raise SystemExit(f"{folder / name}: not there; name the folder of the public data")
        found.append(run(folder / name))
        print(found[-1], flush=True)
    if "--write" in sys.argv:
        text = ROTATION.read_text(encoding="utf-8")
        ROTATION.write_text(fill(text, "replays", "\n\n".join(found)), encoding="utf-8")


if __name__ == "__main__":
    main()
