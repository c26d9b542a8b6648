"""One night of the bundled portfolio through Airflow, without a server: what `make demo` runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from airflow_home import BIN, HOME, ROOT, environment, migrate

FOLDER = ROOT / "demo"
LOG = HOME / "demo.log"
STARTED = re.compile(r"\[DAG TEST\] starting task_id=(\w+)")


def main() -> None:
    """Run the demo and say what to do next."""
    start = time.monotonic()
    HOME.mkdir(exist_ok=True)
    LOG.write_bytes(b"")
    say(f"Airflow's own log goes to {shown(LOG)}")
    if not (FOLDER / "portfolio.yaml").is_file():
        say("writing the bundled portfolio: a shop that spends 10 000 EUR a day on twelve lines")
        equimarginal("init", str(FOLDER))
    day = json.loads((FOLDER / "truth.json").read_text(encoding="utf-8"))["first_night"]
    if json.loads(equimarginal("caps", "--date", day, "--json", "-w", str(FOLDER)))["waiting"]:
        say("approving its caps as fin, the demo's person of finance; until finance approves a")
        say("cap, the lines under it are held at their current budget")
        equimarginal("caps", "approve", "--all", "--as", "fin", "-w", str(FOLDER))
    env = environment(FOLDER)
    say("making Airflow's database")
    migrate(env, LOG)
    say(f"running the night of {day} as the DAG daily_reallocation__example")
    run_dag(env, day, start)
    plan = json.loads(equimarginal("plan", "latest", "--json", "-w", str(FOLDER)))
    tell(plan, time.monotonic() - start)


def run_dag(env: dict[str, str], day: str, start: float) -> None:
    """Run the DAG in this process tree, naming each task as it starts.

    Raises:
        SystemExit: a task failed; the log says why.
    """
    conf = json.dumps({"day": day, "ask": False})
    airflow = str(BIN / "airflow")
    command = [airflow, "dags", "test", "daily_reallocation__example", "--conf", conf]
    with LOG.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            if found := STARTED.search(line):
                say(f"  {time.monotonic() - start:5.1f} s  {found.group(1)}")
    if process.wait():
        raise SystemExit(f"the night failed; {shown(LOG)} says why")


def equimarginal(*arguments: str) -> str:
    """Return what the command printed.

    Raises:
        SystemExit: the command failed; it has said why.
    """
    done = subprocess.run(
        [BIN / "equimarginal", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(done.returncode)
    return done.stdout


def tell(plan: dict[str, Any], seconds: float) -> None:
    """Print where the plan is and the one command that signs it."""
    run = FOLDER / ".equimarginal" / "runs" / plan["plan_id"]
    uplift = plan.get("uplift")
    gain = (
        f", expected to earn {uplift['mean']:+,.0f} {plan['currency']} "
        f"({uplift['p05']:+,.0f} to {uplift['p95']:+,.0f}) against today's budgets"
        if uplift
        else ""
    )
    print(f"\nA plan for {plan['date']} is {plan['status']} ({plan['mode']}){gain}.")
    print(f"  plan    {shown(run / 'plan.json')}")
    print(f"  report  {shown(run / 'report.html')}")
    if plan["status"] == "proposed":
        print("\nRead the report, then sign the plan with")
        print(f"  .venv/bin/equimarginal approve {plan['plan_id']} --as ana -w {FOLDER.name}")
    print(f"\n{seconds:.0f} seconds. `make airflow` shows the same in Airflow's web interface.")


def shown(path: Path) -> str:
    """Return the path from the checkout, as people type it."""
    return str(path.relative_to(ROOT))


def say(message: str) -> None:
    """Tell the person at the terminal what happens now."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
