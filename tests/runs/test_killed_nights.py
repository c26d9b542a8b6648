"""A night killed at any moment: the next one finishes, with the plan that it would have had."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from pipeline.io.artefacts import list_runs
from pipeline.runs.audit import verify_portfolio
from tests.runs.shop import DAY, Shop

ROOT = Path(__file__).resolve().parents[2]
KILLS = 5
NIGHT = """
import sys
from datetime import date
from pipeline import open_portfolio, run_night
from pipeline.io import quality
quality.start_suites()
print("ready", flush=True)
sys.stdin.readline()
run_night(open_portfolio(sys.argv[1]), date.fromisoformat(sys.argv[2]))
"""


def begin(shop: Shop) -> subprocess.Popen[str]:
    """Start a night in a process of its own, up to where it waits for the word to go."""
    environment = {**os.environ, "EQUIMARGINAL_NOW": shop.moment.isoformat()}
    process = subprocess.Popen(
        [sys.executable, "-c", NIGHT, str(shop.folder), DAY.isoformat()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, cwd=ROOT, env=environment,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_night_that_is_killed_at_any_moment_is_made_good_by_the_next(open_shop):
    never_killed = open_shop("whole").night()
    shop = open_shop("killed")
    shop.write()
    dice = random.Random(11)
    for _ in range(KILLS):
        process = begin(shop)
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(dice.uniform(0.0, 3.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()
        records = shop.portfolio.ledger.plans("acme")
        assert {record.plan_id for record in records} <= {never_killed.plan_id}
        complete = list_runs(shop.portfolio.runs)
        assert {record.plan_id for record in records} <= set(complete)
    plan = shop.night()
    assert plan.plan_id == never_killed.plan_id
    assert plan.content_hash == never_killed.content_hash
    assert shop.statuses() == {plan.plan_id: "proposed"}
    assert list_runs(shop.portfolio.runs) == [plan.plan_id]
    assert shop.run(plan).damage() == []
    assert verify_portfolio(shop.folder).is_sound
    shop.approve()
    assert verify_portfolio(shop.folder).is_sound
