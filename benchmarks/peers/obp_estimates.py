"""Open Bandit Pipeline's estimators on one log: run by its own interpreter, JSON in, JSON out."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job = json.load(sys.stdin)
    from obp.ope import (
        DirectMethod,
        DoublyRobust,
        InverseProbabilityWeighting,
        OffPolicyEvaluation,
        SelfNormalizedInverseProbabilityWeighting,
    )

    action, reward, pscore = (np.array(job[name]) for name in ("action", "reward", "propensity"))
    context = np.array(job["context"])
    shares = np.array(job["shares"])[context][:, :, None]
    expected = np.array(job["expected"])[context][:, :, None]
    feedback = {
        "n_rounds": action.size,
        "n_actions": shares.shape[1],
        "action": action,
        "reward": reward,
        "pscore": pscore,
        "position": None,
    }
    start = time.process_time()
    found = OffPolicyEvaluation(
        bandit_feedback=feedback,
        ope_estimators=[
            InverseProbabilityWeighting(),
            SelfNormalizedInverseProbabilityWeighting(),
            DirectMethod(),
            DoublyRobust(),
        ],
    ).estimate_policy_values(action_dist=shares, estimated_rewards_by_reg_model=expected)
    cpu = time.process_time() - start
    names = {"ipw": "weighted", "snipw": "normalised", "dm": "direct", "dr": "robust"}
    json.dump({"cpu": cpu, **{names[k]: float(v) for k, v in found.items()}}, answers)


main()
