"""Vowpal Wabbit's contextual bandit on one log: run by its own interpreter, JSON in, JSON out."""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job = json.load(sys.stdin)
    from vowpalwabbit import Workspace

    vw = Workspace(f"--cb_explore_adf --epsilon 0 -q SA --quiet --random_seed 1 {job['options']}")
    segment, eligible = job["segment"], job["eligible"]
    scale = job["scale"]

    def example(context: int, label: tuple[int, float, float] | None) -> list[str]:
        lines = [f"shared |S s{segment[context]}"]
        for action, may in enumerate(eligible[context]):
            if may:
                is_it = label is not None and label[0] == action
                cost = f"0:{-label[1] / scale}:{label[2]} " if is_it and label else ""
                lines.append(f"{cost}|A a{action}")
        return lines

    start = time.process_time()
    columns = zip(job["context"], job["action"], job["reward"], job["propensity"], strict=True)
    for context, action, reward, propensity in columns:
        vw.learn(example(context, (action, reward, propensity)))
    shares = []
    for context, may in enumerate(eligible):
        found = iter(vw.predict(example(context, None)))
        shares.append([next(found) if allowed else 0.0 for allowed in may])
    json.dump({"cpu": time.process_time() - start, "shares": shares}, answers)


main()
