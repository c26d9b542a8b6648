"""Where a signature moves money on a platform, nobody signs or publishes a plan by a slip."""

from __future__ import annotations

import base64
import itertools
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import NotAllowedError
from pipeline.core.plan import Status
from pipeline.io.ledger import PlanRecord, Stated
from pipeline.runs import signoff
from tests.loopback import Answer, Asked, serve
from tests.runs.shop import Shop, meant

LIVE = {"hook": {"to": "webhook", "connection": "hook", "dry_run": False}}
Make = Callable[..., Shop]


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.night()
    return shop


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The bodies that somebody's own budget service was sent."""
    bodies: list[Any] = []

    def answer(asked: Asked) -> Answer:
        bodies.append(json.loads(asked.body))
        return Answer({"content_hash": bodies[-1]["content_hash"]})

    with serve(answer) as url:
        login = {"host": url, "password": f"whsec_{base64.b64encode(bytes(32)).decode()}"}
        monkeypatch.setenv("AIRFLOW_CONN_HOOK", json.dumps(login))
        yield bodies


@pytest.fixture
def make(proposed: Shop, tmp_path: Path) -> Make:
    """Gives a copy of the shop on the morning of its plan, with other settings."""

    def copy(**settings: Any) -> Shop:
        shop = Shop(tmp_path / "copy")
        shutil.copytree(proposed.folder, shop.folder, dirs_exist_ok=True)
        shop.spend, shop.outcomes = proposed.spend, proposed.outcomes
        shop.settings = {**proposed.settings, **settings}
        shop.write()
        return shop

    return copy


def the_plan(shop: Shop) -> PlanRecord:
    return signoff.existing_ledger(shop.portfolio).plan("latest", "acme")


def answers(record: PlanRecord) -> list[Stated]:
    """Return every way to leave out or get wrong one or more of the three."""
    right = meant(record)
    choices = {
        "portfolio": (right.portfolio, None, "acme-test"),
        "total": (right.total, None, (right.total or 0) + 0.01),
        "content_hash": (right.content_hash, None, "sha256:" + "0" * 64),
    }
    every = [
        Stated(**dict(zip(choices, it, strict=True))) for it in itertools.product(*choices.values())
    ]
    return [stated for stated in every if stated != right]


def denials(shop: Shop) -> int:
    return sum(item.action == "denied" for item in shop.portfolio.ledger.audit_entries())


@pytest.mark.parametrize("settings", [{"destinations": LIVE}, {"approval": {"restate": True}}])
def test_only_all_three_right_answers_sign_and_publish(
    make: Make, sent: list[Any], settings: dict[str, Any]
) -> None:
    shop = make(**settings)
    wrong = answers(the_plan(shop))
    assert len(wrong) == 26
    for stated in wrong:
        with pytest.raises(NotAllowedError):
            signoff.approve_plan(shop.portfolio, "latest", "ana", stated)
    assert (the_plan(shop).status, denials(shop), sent) == (Status.PROPOSED, 26, [])
    assert not (shop.folder / "published").exists()
    done = signoff.approve_plan(shop.portfolio, "latest", "ana", meant(the_plan(shop)))
    assert done.record.is_published
    assert len(sent) == len(settings.get("destinations", {}))


def test_publishing_asks_the_same(make: Make, sent: list[Any]) -> None:
    shop = make(destinations=LIVE)
    signoff.set_paused(shop.portfolio, "fin", "lunch", paused=True)
    shop.approve()
    signoff.set_paused(shop.portfolio, "fin", "", paused=False)
    before = denials(shop)
    for stated in answers(the_plan(shop)):
        with pytest.raises(NotAllowedError):
            signoff.publish_plan(shop.portfolio, "latest", stated=stated)
    assert (denials(shop) - before, sent) == (26, [])
    assert signoff.publish_plan(
        shop.portfolio, "latest", stated=meant(the_plan(shop))
    ).record.is_published
    assert len(sent) == 1


def test_a_scheduler_goes_on_with_what_a_person_stated_and_with_nothing_else(
    make: Make, sent: list[Any]
) -> None:
    shop = make()
    signoff.approve_plan(shop.portfolio, "latest", "ana")  # files only: nothing needs to be said
    shop.settings["destinations"] = LIVE
    shop.write()
    with pytest.raises(NotAllowedError, match="--hash and --portfolio and --total missing"):
        signoff.publish_plan(shop.portfolio, "latest")
    assert sent == []
    signoff.publish_plan(shop.portfolio, "latest", stated=meant(the_plan(shop)))
    assert len(sent) == 1


def test_a_scheduler_finishes_what_was_signed_with_all_three(make: Make, sent: list[Any]) -> None:
    shop = make(destinations=LIVE)
    signoff.set_paused(shop.portfolio, "fin", "lunch", paused=True)
    shop.approve()
    signoff.set_paused(shop.portfolio, "fin", "", paused=False)
    assert signoff.publish_plan(shop.portfolio, "latest").record.is_published
    assert len(sent) == 1


def test_what_the_policy_signed_needs_no_person(make: Make, sent: list[Any]) -> None:
    shop = make(destinations=LIVE, approval={"auto_within": {"line_change": 1.0, "moved": 1.0}})
    signoff.set_paused(shop.portfolio, "fin", "lunch", paused=True)
    signoff.sign_by_policy(shop.portfolio, "latest")
    signoff.set_paused(shop.portfolio, "fin", "", paused=False)
    assert the_plan(shop).decided_by == "policy"
    assert signoff.publish_plan(shop.portfolio, "latest").record.is_published
    assert len(sent) == 1


def test_the_command_line_takes_all_three_or_asks_for_them_at_a_terminal(
    make: Make, sent: list[Any]
) -> None:
    shop = make(destinations=LIVE)
    record = the_plan(shop)
    command = [sys.executable, "-m", "pipeline", "approve", "latest", "--as", "ana"]
    where = ["-w", str(shop.folder)]
    environment = {**os.environ, "EQUIMARGINAL_NOW": shop.moment.isoformat()}
    script = subprocess.run(
        [*command, "--total", str(record.total), *where],
        env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (script.returncode, script.stdout) == (4, "")
    assert "--hash and --portfolio missing" in script.stderr
    assert script.stderr.count("\n") == 1
    for portfolio, code in (("acme-test", 4), ("acme", 0)):
        keyboard, screen = pty.openpty()
        typed = f"{portfolio}\n{record.total}\n{record.content_hash}\n"
        os.write(keyboard, typed.encode())
        done = subprocess.run(
            [*command, *where],
            env=environment, stdin=screen, capture_output=True, text=True, check=False,
        )  # fmt: skip
        os.close(keyboard)
        os.close(screen)
        assert done.returncode == code, done.stderr
        assert "total of the plan" in done.stderr
    assert the_plan(shop).is_published
    assert len(sent) == 1
