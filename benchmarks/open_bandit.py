"""One policy of the Open Bandit Dataset estimated from the other's log, as its authors test it.

    python -m benchmarks.open_bandit FOLDER [--write]

FOLDER holds `random.parquet` and `bts.parquet` of the men's campaign (the small version);
`--write` puts the table into docs/offers.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks.decisions import table
from benchmarks.numbers import ROOT, fill
from pipeline.bandits.offers.estimate import evaluate
from pipeline.bandits.offers.log import BUCKETS, FOLDS, Contexts, DecisionLog
from pipeline.bandits.offers.reward import fit_rewards
from pipeline.core.types import FloatArray

OFFERS = ROOT / "docs" / "offers.md"
ESTIMATORS = {"IPW": "weighted", "SNIPS": "normalised", "DM": "direct", "DR": "robust"}
BOOTSTRAPS = 30


def read_log(path: Path, rng: np.random.Generator | None = None) -> DecisionLog:
    """Return a log whose contexts are the positions; with `rng` a bootstrap sample of its rows."""
    import pyarrow.parquet as pq

    columns = ["item_id", "position", "click", "propensity_score"]
    rows = {
        n: c.to_numpy() for n, c in zip(columns, pq.read_table(path, columns=columns), strict=True)
    }
    size = rows["click"].size
    take = np.arange(size) if rng is None else rng.integers(0, size, size)
    item, place = rows["item_id"][take].astype(int), rows["position"][take].astype(int) - 1
    click = rows["click"][take].astype(float)
    actions = 34
    return DecisionLog(
        contexts=Contexts(
            segments=("left", "centre", "right"),
            actions=tuple(str(number) for number in range(actions)),
            segment=np.arange(3),
            eligible=np.ones((3, actions), dtype=bool),
        ),
        context=place,
        action=item,
        propensity=rows["propensity_score"][take].astype(float),
        bucket=np.arange(size) % BUCKETS,
        count=np.ones(size),
        reward=click,
        reward_sq=click,
        rewarded=click,
    )


def shares_of(log: DecisionLog) -> FloatArray:
    """Return how often each item was shown at each position: the mean policy of those days."""
    shown = np.zeros((3, 34))
    np.add.at(shown, (log.context, log.action), 1.0)
    out: FloatArray = shown / shown.sum(axis=1, keepdims=True)
    return out


def errors(behaviour: Path, target: Path, *, is_even: bool) -> tuple[float, dict[str, list[float]]]:
    """Return the target's own click rate, and each estimator's relative errors over bootstraps.

    Args:
        is_even: the target is the uniform policy; otherwise its mean shares are taken.
    """
    own = read_log(target)
    truth = float(own.reward.sum() / own.total)
    shares = np.full((3, 34), 1 / 34) if is_even else shares_of(own)
    found: dict[str, list[float]] = {name: [] for name in ESTIMATORS}
    for seed in range(BOOTSTRAPS):
        log = read_log(behaviour, np.random.default_rng(seed))
        models = tuple(fit_rewards(log.rows(log.bucket % FOLDS != fold)) for fold in range(FOLDS))
        seen = evaluate(log, models, np.repeat(shares[None], FOLDS, axis=0))
        for name, attribute in ESTIMATORS.items():
            found[name].append(abs(getattr(seen, attribute).value / truth - 1))
    return truth, found


def text(folder: Path) -> str:
    """Return both directions as Markdown."""
    rows = []
    for behaviour, target in (("random", "bts"), ("bts", "random")):
        truth, found = errors(
            folder / f"{behaviour}.parquet",
            folder / f"{target}.parquet",
            is_even=target == "random",
        )
        cells = [
            f"{np.mean(v):.2f} ({np.quantile(v, 0.025):.2f} to {np.quantile(v, 0.975):.2f})"
            for v in found.values()
        ]
        rows.append([f"{target} from the log of {behaviour}, {100 * truth:.2f} % click", *cells])
    return (
        table(["men's campaign, 10,000 rows a log", *ESTIMATORS], rows)
        + f"\n\nRelative errors, mean of {BOOTSTRAPS} bootstraps of the log and where 95 % of them "
        "lie, against the click rate of the target's own log."
    )


def main() -> None:
    """Print the table, and write it where asked."""
    given = [argument for argument in sys.argv[1:] if argument != "--write"]
    if len(given) != 1 or not (Path(given[0]) / "bts.parquet").is_file():
        raise SystemExit("need the folder that holds random.parquet and bts.parquet")
    said = text(Path(given[0]))
    print(said)
    if "--write" in sys.argv:
        page = OFFERS.read_text(encoding="utf-8")
        OFFERS.write_text(fill(page, "openbandit", said), encoding="utf-8")


if __name__ == "__main__":
    main()
