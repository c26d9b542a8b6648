"""Runs of the DAG in this process, with people who answer its question."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DAY = "2026-11-22"


def load_dag(name: str, prefix: str = "daily_reallocation__") -> Any:
    """Return the DAG of a portfolio as Airflow parses it now."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(ROOT / "dags"), bundle_path=ROOT / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    return bag.dags[f"{prefix}{name}"]


def states(run: Any) -> dict[str, str]:
    """Return the state of each task of a run."""
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


class Answers:
    """People who answer the sign-off task while the DAG runs, one after the other."""

    def __init__(
        self,
        dag_id: str,
        *answers: tuple[str, str],
        form: Callable[[int], dict[str, Any]] = lambda _: {},
    ) -> None:
        """Take who answers what, and what is filled into the form at each question."""
        self.asked: list[str] = []
        self._dag_id = dag_id
        self._answers = answers
        self._form = form
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Answers:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()

    def _work(self) -> None:
        for person, choice in self._answers:
            give_up = time.monotonic() + 240
            while not self._answer(person, choice):
                if time.monotonic() > give_up:
                    return
                time.sleep(0.2)

    def _answer(self, person: str, choice: str) -> bool:
        from airflow.models.hitl import HITLDetail, HITLUser
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.trigger import handle_event_submit
        from airflow.sdk import timezone
        from airflow.triggers.base import TriggerEvent
        from airflow.utils.session import create_session
        from sqlalchemy import select

        waiting = select(TaskInstance).where(
            TaskInstance.dag_id == self._dag_id, TaskInstance.state == "awaiting_input"
        )
        with create_session() as session:
            task = session.scalar(waiting)
            if task is None:
                return False
            detail = session.scalar(select(HITLDetail).where(HITLDetail.ti_id == task.id))
            assert detail is not None
            self.asked.append(f"{detail.subject}\n{detail.body}")
            detail.responded_by = HITLUser(id=person, name=person)
            detail.responded_at = timezone.utcnow()
            detail.chosen_options, detail.params_input = [choice], self._form(len(self.asked))
            event = TriggerEvent(detail.as_resume_event_payload())
            handle_event_submit(event, task_instance=task, session=session)
        return True
