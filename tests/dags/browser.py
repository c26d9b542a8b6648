"""Airflow's web server with people at their browsers, while a DAG runs in this process.

One server and one Chromium serve every test. The browser lives in a thread of its own, because a
DAG that waits for an answer keeps this one.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 300  # seconds, on a busy machine
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@dataclass
class Person:
    """Somebody who is logged in, and everything that the browser complained about or asked for."""

    page: Any
    base: str
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def watch(self, context: Any) -> None:
        """Take note of what every page of the person asks for and says."""
        context.on("request", lambda request: self._asked(request.url))
        context.on("console", self._said)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def opens(self, link: Any) -> Any:
        """Return the page that a link opens beside this one."""
        with self.page.context.expect_page(timeout=1000 * PATIENCE) as opened:
            link.click()
        return opened.value

    def _asked(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "blob:")):
            self.outside.append(url)

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} {message.location.get('url', '')}")


class Office:
    """Where people look at pages and answer questions."""

    def __init__(self, base: str, passwords: dict[str, str]) -> None:
        self.base = base
        self._passwords = passwords
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._people: dict[str, Person] = {}
        self._pool.submit(self._open).result()

    def _open(self) -> None:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

    def close(self) -> None:
        """Close the browser."""

        def close() -> None:
            self._browser.close()
            self._playwright.stop()

        self._pool.submit(close).result()
        self._pool.shutdown()

    def person(self, name: str) -> Person:
        """Return the person at a browser, logged in; to be called in the browser's thread."""
        if name not in self._people:
            context = self._browser.new_context(viewport={"width": 1280, "height": 900})
            context.set_default_timeout(1000 * PATIENCE)
            page = context.new_page()
            person = self._people[name] = Person(page=page, base=self.base)
            person.watch(context)
            page.goto(self.base)
            page.fill("input[name=username]", name)
            page.fill("input[name=password]", self._passwords[name])
            page.keyboard.press("Enter")
            page.wait_for_selector("a[href*=dags]")
        return self._people[name]

    def run(self, dag: Any, conf: dict[str, Any], act: Callable[[str], Any]) -> tuple[Any, Any]:
        """Run the DAG while people act on its question; return the run and what `act` returned.

        Args:
            act: is given the address of the question.
        """
        done: Future[Any] = self._pool.submit(self._act, dag.dag_id, act)
        run = dag.test(run_conf=conf)
        return run, done.result()

    def do(self, act: Callable[[], Any]) -> Any:
        """Return what somebody does at a browser while no DAG runs."""
        return self._pool.submit(act).result()

    def _act(self, dag_id: str, act: Callable[[str], Any]) -> Any:
        try:
            return act(self.base + question(dag_id))
        except BaseException:
            give_up_waiting(dag_id)
            raise


def question(dag_id: str) -> str:
    """Return the address of the DAG's open question, once it is asked."""
    from urllib.parse import quote

    give_up = time.monotonic() + PATIENCE
    while (task := waiting_task(dag_id)) is None:
        assert time.monotonic() < give_up, f"{dag_id} asked nothing"
        time.sleep(0.2)
    run_id, task_id, map_index = task
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    run = quote(run_id, safe="")
    return f"/dags/{dag_id}/runs/{run}/tasks/{task_id}{mapped}/required_actions"


def waiting_task(dag_id: str) -> tuple[str, str, int] | None:
    """Return run, task and place of the question that the DAG waits for, if it does."""
    from airflow.models.taskinstance import TaskInstance as Task
    from airflow.utils.session import create_session
    from sqlalchemy import select

    wanted = select(Task.run_id, Task.task_id, Task.map_index).where(
        Task.dag_id == dag_id, Task.state == "awaiting_input"
    )
    with create_session() as session:
        row = session.execute(wanted).first()
    return None if row is None else (row[0], row[1], row[2])


def give_up_waiting(dag_id: str) -> None:
    """Fail the question, so that a run whose people failed ends too."""
    from airflow.models.taskinstance import TaskInstance as Task
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(
            update(Task)
            .where(Task.dag_id == dag_id, Task.state == "awaiting_input")
            .values(state="failed")
        )


@contextmanager
def web_server(home: Path) -> Iterator[str]:
    """Serve Airflow's web interface from a home, with this environment; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    env = {**os.environ, "AIRFLOW__API__HOST": "127.0.0.1", "AIRFLOW__API__BASE_URL": base}
    command = [Path(sys.executable).parent / "airflow", "api-server", "--port", str(port)]
    with (home / "api-server.log").open("wb") as log:
        server = subprocess.Popen([*command, "--workers", "1"], env=env, stdout=log, stderr=log)
    try:
        _wait_for(f"{base}/api/v2/version", server, home / "api-server.log")
        yield base
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        assert server.poll() is None, log.read_text(encoding="utf-8", errors="replace")[-2000:]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"no answer from {address}")
