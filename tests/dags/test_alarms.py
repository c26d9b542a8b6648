"""Alarms: who is told what when nobody signs, a night fails, or a fallback grows old."""

from __future__ import annotations

import json
import logging
import socketserver
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import open_portfolio
from pipeline.airflow_plugin.alarms import not_signed, old_fallback, on_failure, sign_deadline
from pipeline.core.plan import Kind
from pipeline.core.policy import parse_policy
from pipeline.runs import signoff
from tests.dags.airflow_runs import DAY, load_dag
from tests.runs.shop import Shop

pytestmark = pytest.mark.usefixtures("airflow_home")


class MailServer(socketserver.StreamRequestHandler):
    """As much of SMTP as a mail needs; the server's `mails` keep what came."""

    def handle(self) -> None:
        self.wfile.write(b"220 test\r\n")
        while line := self.rfile.readline().strip():
            verb = line.split()[0].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += self.rfile.readline()
                self.server.mails.append(text.decode())  # type: ignore[attr-defined]
            if verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 ok\r\n")


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A real mail server on this machine, and Airflow's connection to it."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer) as server:
        server.mails = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(
            "AIRFLOW_CONN_SMTP_DEFAULT",
            json.dumps(
                {
                    "conn_type": "smtp",
                    "host": "127.0.0.1",
                    "port": server.server_address[1],
                    "extra": {
                        "disable_ssl": True,
                        "disable_tls": True,
                        "from_email": "night@example.org",
                    },
                }
            ),
        )
        yield server.mails  # type: ignore[attr-defined]
        server.shutdown()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "shop")
    shop.settings["alerts"] = {"email": ["ops@example.org"], "fallback_days": 2}
    shop.settings["schedule"] = {"at": "05:00", "sign_by": "09:30"}
    return shop


def run_of(day: str) -> dict[str, Any]:
    return {"dag_run": {"partition_key": day, "conf": {}}}


def test_nobody_signed_by_the_hour_and_a_mail_goes_out(
    shop: Shop, mails: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIMARGINAL_NOW", shop.moment.isoformat())
    plan = shop.night()
    assert not_signed(run_of(DAY), str(shop.folder))
    (mail,) = mails
    assert "ops@example.org" in mail
    assert plan.plan_id in "".join(mail.split("=\r\n"))
    shop.approve()
    assert not not_signed(run_of(DAY), str(shop.folder))
    assert not_signed(run_of(DAY), str(shop.folder), kind="rotation")  # another decision
    mails.pop()
    assert len(mails) == 1
    assert not_signed({"dag_run": {"conf": {"day": "2026-11-23"}}}, str(shop.folder))


def test_the_hour_becomes_a_deadline_of_the_run(
    make_portfolio: Callable[[str], Path], shop: Shop
) -> None:
    folder = make_portfolio("hours")
    text = (folder / "portfolio.yaml").read_text(encoding="utf-8")
    assert load_dag("hours").deadline in (None, [])
    (folder / "portfolio.yaml").write_text(
        text + "schedule: {sign_by: '09:30'}\n", encoding="utf-8"
    )
    found = load_dag("hours").deadline
    (alert,) = found if isinstance(found, list) else [found]
    assert alert.interval == timedelta(hours=4, minutes=30)
    assert alert.callback.path == "pipeline.airflow_plugin.alarms.not_signed"
    policy = parse_policy({**shop.settings, "schedule": {"at": "22:00", "sign_by": "07:00"}}, "x")
    late = sign_deadline("x", policy.schedule)
    assert late is not None
    assert late.interval == timedelta(hours=9)


def test_a_fallback_that_grows_old_is_an_alarm_from_the_second_day_on(
    shop: Shop, mails: list[str]
) -> None:
    shop.night()
    shop.approve()
    said = []
    for _ in range(4):
        day = shop.later()
        rows, shop.spend = (
            shop.spend,
            [r for r in shop.spend if r["date"] < (day - timedelta(1)).isoformat()],
        )
        shop.night(day)
        shop.spend = rows
        portfolio = shop.portfolio
        said.append(old_fallback(portfolio, portfolio.ledger.plan("latest")))
    assert said == [False, True, True, True]
    assert ["URGENT" in mail for mail in mails] == [False, False, True]
    assert "fallback for 2 days" in mails[0]


def test_a_failed_task_is_an_alarm_even_where_no_mail_can_be_sent(
    make_portfolio: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_SMTP_DEFAULT", '{"conn_type": "smtp", "host": "127.0.0.1", "port": 1}'
    )
    folder = make_portfolio("failing")
    text = (folder / "portfolio.yaml").read_text(encoding="utf-8")
    (folder / "portfolio.yaml").write_text(text + "alerts: {email: [a@b.c]}\n", encoding="utf-8")
    task = type("Task", (), {"task_id": "allocate"})()
    with caplog.at_level(logging.ERROR):
        error = ValueError("bad\x1b[2J\nline")
        on_failure(str(folder), Kind.BUDGET)({"ti": task, "exception": error})
        on_failure(str(folder / "gone"), Kind.BUDGET)({"ti": task})
    assert "ALARM failing: allocate failed (bad\\x1b[2J" in caplog.text.replace("\\u001b", "\\x1b")
    assert "could not be sent" in caplog.text
    assert "ALARM gone" in caplog.text
    assert date.fromisoformat(DAY)
    assert signoff.list_plans(open_portfolio(folder)) == ()


def test_every_task_of_the_night_raises_the_alarm_when_it_fails(
    make_portfolio: Callable[[str], Path],
) -> None:
    make_portfolio("told")
    for task in load_dag("told").tasks:
        assert task.on_failure_callback, task.task_id
