"""MABWiser's shares from days of impressions: run by its own interpreter, JSON in, JSON out."""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job = json.load(sys.stdin)
    from mabwiser.mab import MAB, LearningPolicy

    policies = {
        "Thompson": LearningPolicy.ThompsonSampling(),
        "epsilon-greedy": LearningPolicy.EpsilonGreedy(epsilon=0.1),
    }
    rates, traffic = np.array(job["rates"]), job["traffic"]
    n = rates.shape[1]
    out = {}
    for name, policy in policies.items():
        cpu, shown_days = 0.0, []
        rng = np.random.default_rng(job["seed"])
        mab = MAB(arms=list(range(n)), learning_policy=policy, seed=job["seed"])
        shares = np.full(n, 1 / n)
        for day, rate in enumerate(rates):
            shown = np.round(traffic[day] * shares).astype(int)
            shown_days.append(shares.tolist())
            clicks = rng.binomial(shown, rate)
            arms = np.repeat(np.arange(n), shown)
            rewards = np.concatenate(
                [np.arange(k) < c for k, c in zip(shown, clicks, strict=True)]
            ).astype(int)
            start = time.process_time()
            (mab.fit if day == 0 else mab.partial_fit)(arms, rewards)
            drawn = [mab.predict() for _ in range(job["draws"])]
            cpu += time.process_time() - start
            shares = np.bincount(drawn, minlength=n) / len(drawn)
        out[name] = {"cpu": cpu, "shares": shown_days}
    json.dump(out, answers)


main()
