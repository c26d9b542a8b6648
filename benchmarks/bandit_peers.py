"""Offers and rotation beside Open Bandit Pipeline, MABWiser and Vowpal Wabbit, where the work is
the same.

    python -m benchmarks.bandit_peers

Each peer is run by the interpreter that its variable names (benchmarks/peers/README.md); one that
is not given is left out and said to be.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.decisions import table
from pipeline.bandits.offers.decide import Setting, decide_offers
from pipeline.bandits.offers.estimate import evaluate
from pipeline.bandits.offers.log import FOLDS, DecisionLog
from pipeline.bandits.offers.policy import above_floors, floors_of
from pipeline.bandits.offers.reward import fit_rewards
from pipeline.core.types import FloatArray
from pipeline.simulation.creatives import KINDS as CREATIVE_KINDS
from pipeline.simulation.creatives import CreativeWorld, make_world, ours, play
from pipeline.simulation.offer_looks import added_up
from pipeline.simulation.offers import KINDS, OfferWorld, make_offer_world

SCRIPTS = Path(__file__).parent / "peers"
VARIABLES = {
    "obp_estimates.py": "EQUIMARGINAL_OBP_PYTHON",
    "mabwiser_shares.py": "EQUIMARGINAL_MABWISER_PYTHON",
    "vw_policy.py": "EQUIMARGINAL_VW_PYTHON",
}
MARKETS = range(2000, 2006)
SEEDS = range(5)
LEARNERS = {"Vowpal Wabbit, MTR": "--cb_type mtr", "Vowpal Wabbit, DR": "--cb_type dr"}
DRAWS = 500


def peer(script: str, job: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a peer answers; None where its interpreter is not given."""
    python = os.environ.get(VARIABLES[script])
    if python is None:
        return None
    done = subprocess.run(
        [python, str(SCRIPTS / script)],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def estimators() -> str:
    """Return the estimators' answers on one log of 100,000 decisions, ours and OBP's."""
    world, log, _ = _logged("segments differ", 1)
    shares = _best(world)
    model = fit_rewards(log)  # one model for all folds, so that both judge exactly the same
    start = time.process_time()
    summed = added_up(log)
    found = evaluate(summed, (model,) * FOLDS, np.repeat(shares[None], FOLDS, axis=0))
    cpu = time.process_time() - start
    own = {name: getattr(found, name).value for name in _ESTIMATORS}
    job = _log_job(log) | {
        "shares": shares.tolist(),
        "expected": model.mean[world.contexts.segment].tolist(),
    }
    theirs = peer("obp_estimates.py", job)
    rows = [["ours", *(f"{own[name]:.6f}" for name in _ESTIMATORS), f"{cpu:.3f}"]]
    if theirs is not None:
        cells = (f"{theirs[name]:.6f}" for name in _ESTIMATORS)
        rows.append(["Open Bandit Pipeline", *cells, f"{theirs['cpu']:.3f}"])
    head = ["100,000 decisions", "IPW", "SNIPS", "DM", "DR", "CPU s"]
    return table(head, rows) + _absent("Open Bandit Pipeline", theirs)


def policies() -> str:
    """Return what a policy learned from one log is truly worth, ours and Vowpal Wabbit's."""
    names = ("ours", *LEARNERS)
    rows: list[list[str]] = []
    for kind in ("one answer for all", "segments differ", "nothing matters"):
        found = [_learned(kind, seed) for seed in SEEDS]
        cells = []
        for name in names:
            values = [market[name] for market in found if name in market]
            if values:
                captured, cpu = np.array(values).mean(axis=0)
                cells.append(f"{captured:.2f}, {cpu:.2f} s")
        rows.append([kind, *cells])
    is_there = len(rows[0]) > 2
    head = ["one log of 100,000: captured, CPU", *(names if is_there else names[:1])]
    return table(head, rows) + _absent("Vowpal Wabbit", is_there or None)


def _learned(kind: str, seed: int) -> dict[str, tuple[float, float]]:
    """Return learner -> what its policy captures of one market, and its CPU seconds."""
    world, log, even = _logged(kind, seed)
    best, base = world.value(_best(world)), world.value(even)
    span = best - base if best > base * (1 + 1e-9) else base
    start = time.process_time()
    offered = np.ones(even.shape[1], dtype=bool)
    setting = Setting(contexts=log.contexts, offered=offered, in_force=even)
    shares = decide_offers(added_up(log), setting, np.random.default_rng(seed)).shares
    cpu = time.process_time() - start
    found = {"ours": ((world.value(even if shares is None else shares) - base) / span, cpu)}
    contexts = world.contexts
    for name, options in LEARNERS.items():
        job = _log_job(log) | {
            "segment": contexts.segment.tolist(),
            "eligible": contexts.eligible.tolist(),
            "scale": float(log.reward[log.reward > 0].mean()),
            "options": options,
        }
        if (theirs := peer("vw_policy.py", job)) is not None:
            learned = above_floors(floors_of(contexts), np.array(theirs["shares"]))
            found[name] = ((world.value(learned) - base) / span, theirs["cpu"])
    return found


def rotations() -> str:
    """Return what shares of creatives capture in a month, ours and MABWiser's."""
    worlds = [make_world(CREATIVE_KINDS["month"], np.random.default_rng([1, s])) for s in MARKETS]
    start = time.process_time()
    own = [
        play(world, ours(), np.random.default_rng([2, seed])).captured
        for world, seed in zip(worlds, MARKETS, strict=True)
    ]
    nights = sum(len(world.logit) for world in worlds)
    rows = [["ours", f"{np.mean(own):.2f}", f"{1000 * (time.process_time() - start) / nights:.1f}"]]
    found: dict[str, list[tuple[float, float]]] = {}
    answer: dict[str, Any] | None = None
    for world, seed in zip(worlds, MARKETS, strict=True):
        rates = 1 / (1 + np.exp(-world.logit[:, 0]))
        job = {
            "rates": rates.tolist(),
            "traffic": world.traffic[:, 0].tolist(),
            "seed": seed,
            "draws": DRAWS,
        }
        answer = peer("mabwiser_shares.py", job)
        for name, item in (answer or {}).items():
            captured = _captured(world, rates, np.array(item["shares"]))
            found.setdefault(name, []).append((captured, item["cpu"]))
    for name, items in found.items():
        captured, cpu = np.array(items).T
        rows.append(
            [f"MABWiser, {name}", f"{captured.mean():.2f}", f"{1e3 * cpu.sum() / nights:.1f}"]
        )
    head = ["a month of 15,000 impressions a day", "captured", "CPU ms a night"]
    return table(head, rows) + _absent("MABWiser", answer)


_ESTIMATORS = ("weighted", "normalised", "direct", "robust")


def _logged(kind: str, seed: int) -> tuple[OfferWorld, DecisionLog, FloatArray]:
    """Return a market, a log of 100,000 decisions of an even split, and that split."""
    from dataclasses import replace

    recipe = replace(KINDS[kind], decisions=100_000)
    world = make_offer_world(recipe, np.random.default_rng([1, seed]))
    eligible = world.contexts.eligible
    even = eligible / eligible.sum(axis=1, keepdims=True)
    return world, world.week(even, np.random.default_rng([2, seed])), even


def _best(world: OfferWorld) -> FloatArray:
    best = np.where(world.contexts.eligible, world.rate, -np.inf).argmax(axis=1)
    return above_floors(floors_of(world.contexts), np.eye(world.rate.shape[1])[best])


def _log_job(log: DecisionLog) -> dict[str, Any]:
    names = ("context", "action", "reward", "propensity")
    return {name: getattr(log, name).tolist() for name in names}


def _captured(world: CreativeWorld, rates: FloatArray, shares: FloatArray) -> float:
    traffic = world.traffic[:, 0]
    even = float(traffic @ rates.mean(axis=1))
    best = float(traffic @ rates.max(axis=1))
    return (float(traffic @ (shares * rates).sum(axis=1)) - even) / (best - even)


def _absent(name: str, answer: object) -> str:
    return "" if answer is not None else f"\n\n{name} was not measured: no interpreter is named."


def text() -> str:
    """Return all three comparisons as Markdown."""
    return "\n\n".join((estimators(), policies(), rotations()))


if __name__ == "__main__":
    print(text())
