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
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow_home import BIN, HOME, ROOT, environment, migrate

PEOPLE = {"ana": "user", "fin": "user", "admin": "admin"}
API_SERVER = ("api-server",)
OTHERS = (("dag-processor",), ("scheduler", "--skip-serve-logs"))
FOLDER = ROOT / "demo-live"
LIVE = HOME / "live"
LOG = LIVE / "setup.log"
STARTUP_SECONDS = 240


def main() -> None:
    """Start Airflow's parts, say how to sign in, and stop them all on Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    port = parser.parse_args().port
    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    live_portfolio(today)
    passwords = give_passwords()
    base = f"http://127.0.0.1:{port}"
    env = environment(
        FOLDER,
        LIVE,
        AIRFLOW__API__HOST="127.0.0.1",
        AIRFLOW__API__PORT=str(port),
        AIRFLOW__API__BASE_URL=base,
        AIRFLOW__API__WORKERS="1",
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"{base}/execution/",
        AIRFLOW__CORE__EXECUTOR="LocalExecutor",
        AIRFLOW__CORE__PARALLELISM="2",
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=",".join(f"{n}:{r}" for n, r in PEOPLE.items()),
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=str(LIVE / "passwords.json"),
        AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL="30",
    )
    say("making Airflow's database")
    migrate(env, LOG)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    say(f"starting Airflow; the logs of its parts are in {shown(LIVE)}/")
    started = [start(API_SERVER, env)]
    try:
        # Tasks report to the web server, so that has to be there before any is started.
        wait_until_healthy(base, ("metadatabase",), started)
        started += [start(part, env) for part in OTHERS]
        wait_until_healthy(base, ("scheduler", "dag_processor"), started)
        print(f"\nAirflow is at {base}; tonight's plan for {today} comes by itself.")
        for name in PEOPLE:
            what = {"ana": "signs plans", "fin": "approves caps", "admin": "operates Airflow"}[name]
            print(f"  {name:6} {passwords[name]:16} {what}")
        print("Sign under Browse > Required Actions as ana. A cap waits for fin: trigger the DAG")
        print("cap_change__example with an empty form, and answer it.")
        print("Ctrl-C stops everything.", flush=True)
        watch(started)
    finally:
        stop(started)


def live_portfolio(today: date) -> None:
    """Write a portfolio with data up to yesterday, caps approved, one asked for, a night due."""
    marker = FOLDER / "day"
    if marker.is_file() and marker.read_text(encoding="utf-8") == today.isoformat():
        return
    from pipeline.simulation.example import write_example

    say(f"writing a demo portfolio with data up to yesterday into {FOLDER.name}/")
    for folder in (FOLDER, LIVE):
        shutil.rmtree(folder, ignore_errors=True)
    LIVE.mkdir(parents=True)
    write_example(FOLDER, end=today - timedelta(days=1))
    settings = FOLDER / "portfolio.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(f'{text}\nschedule: {{at: "00:00"}}\n', encoding="utf-8")
    approve = ["caps", "approve", "--all", "--as", "fin", "-w", str(FOLDER)]
    more = ["caps", "propose", "--as", "ana", "--scope", "channel=search", "--max", "4500"]
    why = ["--reason", "the season needs room", "-w", str(FOLDER)]
    for command in (approve, [*more, *why]):
        subprocess.run([str(BIN / "equimarginal"), *command], check=True, stdout=subprocess.DEVNULL)
    marker.write_text(today.isoformat(), encoding="utf-8")


def give_passwords() -> dict[str, str]:
    """Return each demo person's password, made once and kept with this Airflow home."""
    path = LIVE / "passwords.json"
    known: dict[str, str] = {}
    if path.is_file():
        known = json.loads(path.read_text(encoding="utf-8"))
    passwords = {name: known.get(name) or secrets.token_urlsafe(9) for name in PEOPLE}
    path.touch(mode=0o600)
    path.write_text(json.dumps(passwords), encoding="utf-8")
    return passwords


@dataclass(frozen=True)
class Part:
    """One running part of Airflow."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


def start(command: tuple[str, ...], env: dict[str, str], logs: Path = LIVE, name: str = "") -> Part:
    """Start one of Airflow's parts, in a process group so that it can be stopped whole."""
    path = logs / f"{name or command[0]}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [BIN / "airflow", *command], env=env, stdout=log, stderr=log, start_new_session=True
        )
    return Part(name or command[0], process, path)


def wait_until_healthy(base: str, parts: tuple[str, ...], started: list[Part]) -> None:
    """Return when the web interface says that the parts are well.

    Raises:
        SystemExit: a part stopped, or they did not answer in time.
    """
    give_up = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < give_up:
        fail_if_stopped(started)
        health = read_json(f"{base}/api/v2/monitor/health")
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


def watch(started: list[Part]) -> None:
    """Wait until somebody stops us, or a part stops by itself."""
    while True:
        fail_if_stopped(started)
        time.sleep(1)


def fail_if_stopped(started: list[Part]) -> None:
    """Leave when a part is gone.

    Raises:
        SystemExit: names the part and its log.
    """
    for part in started:
        if part.process.poll() is not None:
            raise SystemExit(f"{part.name} stopped; {shown(part.log)} says why")


def stop(started: list[Part]) -> None:
    """Stop every part and what it started, in reverse order."""
    say("stopping")
    for part in reversed(started):
        signal_group(part, signal.SIGTERM)
    give_up = time.monotonic() + 15
    for part in started:
        try:
            part.process.wait(timeout=max(0.1, give_up - time.monotonic()))
        except subprocess.TimeoutExpired:
            signal_group(part, signal.SIGKILL)
            part.process.wait()
        signal_group(part, signal.SIGKILL)  # children that outlived their parent


def signal_group(part: Part, number: signal.Signals) -> None:
    """Send a signal to a part and all that it started."""
    try:
        os.killpg(part.process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def shown(path: Path) -> str:
    """Return the path from the checkout, as people type it."""
    return str(path.relative_to(ROOT))


def say(message: str) -> None:
    """Tell the person at the terminal what happens now."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
