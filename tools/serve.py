"""Airflow with a live demo portfolio and two people to try it as: what `make airflow` runs."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow_home import BIN, HOME, ROOT, environment, migrate

PEOPLE = {"ana": "user", "fin": "user", "admin": "admin"}
COMPONENTS = ("api-server", "scheduler", "dag-processor")
FOLDER = ROOT / "demo-live"
LOG = HOME / "setup.log"
STARTUP_SECONDS = 240


def main() -> None:
    """Start Airflow's parts, say how to sign in, and stop them all on Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    port = parser.parse_args().port
    HOME.mkdir(exist_ok=True)
    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    live_portfolio(today)
    passwords = give_passwords()
    base = f"http://127.0.0.1:{port}"
    env = environment(
        FOLDER,
        AIRFLOW__API__HOST="127.0.0.1",
        AIRFLOW__API__PORT=str(port),
        AIRFLOW__API__BASE_URL=base,
        AIRFLOW__API__WORKERS="1",
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"{base}/execution/",
        AIRFLOW__CORE__EXECUTOR="LocalExecutor",
        AIRFLOW__CORE__PARALLELISM="2",
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=",".join(f"{n}:{r}" for n, r in PEOPLE.items()),
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=str(HOME / "passwords.json"),
        AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL="30",
    )
    say("making Airflow's database")
    migrate(env, LOG)
    say(f"starting {', '.join(COMPONENTS)}; their logs are in {HOME.relative_to(ROOT)}/")
    started = [start(name, env) for name in COMPONENTS]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        wait_until_healthy(base, started)
        print(f"\nAirflow is at {base}; tonight's plan for {today} comes by itself.")
        for name in PEOPLE:
            what = {"ana": "signs plans", "fin": "approves caps", "admin": "operates Airflow"}[name]
            print(f"  {name:6} {passwords[name]:16} {what}")
        print("Sign under Browse > Required Actions as ana. Ctrl-C stops everything.", flush=True)
        watch(started)
    finally:
        stop(started)


def live_portfolio(today: date) -> None:
    """Write a portfolio whose data end yesterday, with its caps approved and a night due now."""
    marker = FOLDER / "day"
    if marker.is_file() and marker.read_text(encoding="utf-8") == today.isoformat():
        return
    from pipeline.simulation.example import write_example

    say(f"writing a demo portfolio with data up to yesterday into {FOLDER.name}/")
    shutil.rmtree(FOLDER, ignore_errors=True)
    write_example(FOLDER, end=today - timedelta(days=1))
    settings = FOLDER / "portfolio.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(f'{text}\nschedule: {{at: "00:00"}}\n', encoding="utf-8")
    approve = ["caps", "approve", "--all", "--as", "fin", "-w", str(FOLDER)]
    subprocess.run([str(BIN / "equimarginal"), *approve], check=True, stdout=subprocess.DEVNULL)
    marker.write_text(today.isoformat(), encoding="utf-8")


def give_passwords() -> dict[str, str]:
    """Return each demo person's password, made once and kept with this Airflow home."""
    path = HOME / "passwords.json"
    known: dict[str, str] = {}
    if path.is_file():
        known = json.loads(path.read_text(encoding="utf-8"))
    passwords = {name: known.get(name) or secrets.token_urlsafe(9) for name in PEOPLE}
    path.touch(mode=0o600)
    path.write_text(json.dumps(passwords), encoding="utf-8")
    return passwords


def start(name: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start one of Airflow's parts, in a process group so that it can be stopped whole."""
    with (HOME / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [BIN / "airflow", name], env=env, stdout=log, stderr=log, start_new_session=True
        )


def wait_until_healthy(base: str, started: list[subprocess.Popen[bytes]]) -> None:
    """Return when the web interface and the scheduler answer.

    Raises:
        SystemExit: a part stopped, or they did not answer in time.
    """
    give_up = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < give_up:
        fail_if_stopped(started)
        health = read_json(f"{base}/api/v2/monitor/health")
        parts = ("metadatabase", "scheduler", "dag_processor")
        if health and all(health.get(part, {}).get("status") == "healthy" for part in parts):
            return
        time.sleep(1)
    raise SystemExit(f"Airflow did not become healthy in {STARTUP_SECONDS} s; see its logs")


def read_json(url: str) -> dict[str, Any] | None:
    """Return what the address answers, None while it does not."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  our own address
            data: dict[str, Any] = json.load(answer)
            return data
    except (urllib.error.URLError, OSError, ValueError):
        return None


def watch(started: list[subprocess.Popen[bytes]]) -> None:
    """Wait until somebody stops us, or a part stops by itself."""
    while True:
        fail_if_stopped(started)
        time.sleep(1)


def fail_if_stopped(started: list[subprocess.Popen[bytes]]) -> None:
    """Leave when a part is gone.

    Raises:
        SystemExit: names the part and its log.
    """
    for name, process in zip(COMPONENTS, started, strict=True):
        if process.poll() is not None:
            raise SystemExit(f"{name} stopped; {HOME.relative_to(ROOT)}/{name}.log says why")


def stop(started: list[subprocess.Popen[bytes]]) -> None:
    """Stop every part and what it started, in reverse order."""
    say("stopping")
    for process in reversed(started):
        signal_group(process, signal.SIGTERM)
    give_up = time.monotonic() + 15
    for process in started:
        try:
            process.wait(timeout=max(0.1, give_up - time.monotonic()))
        except subprocess.TimeoutExpired:
            signal_group(process, signal.SIGKILL)
            process.wait()
        signal_group(process, signal.SIGKILL)  # children that outlived their parent


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a part and all that it started."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def say(message: str) -> None:
    """Tell the person at the terminal what happens now."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
