"""One browser for all tests of the pages, and the pages that they look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.plan import Mode, Plan, Status
from pipeline.io.reports import (
    Night,
    ReportExtras,
    render_caps,
    render_decision,
    render_index,
    render_report,
)
from tests.io.reports.decisions import cadence_extras, sample_cadence, sample_offers
from tests.io.reports.samples import (
    DAY,
    SIGN,
    large_plan,
    sample_extras,
    sample_plan,
    sample_rotation,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--force-color-profile=srgb", "--font-render-hinting=none",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs the system's chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of page, as a file each."""
    out = tmp_path_factory.mktemp("pages")
    for name, text in all_pages().items():
        (out / f"{name}.html").write_text(text, encoding="utf-8")
    return out


def all_pages() -> dict[str, str]:
    """Every kind of page, by name."""
    plan = sample_plan()
    return {
        "plan": render_report(plan, sample_extras(plan), sign_command=SIGN),
        "plain": render_report(plan, ReportExtras(), sign_command=SIGN),
        "fallback": render_report(fallback_plan(), ReportExtras(), sign_command=SIGN),
        "many": render_report(large_plan(300), ReportExtras(), sign_command=SIGN),
        "caps": render_caps(
            "acme",
            sample_caps(plan),
            day=DAY,
            columns=plan.line_columns,
            currency="EUR",
            plan=plan,
            costs={"cap-0001": 187.0},
            impacts={"new": "brings about 113 revenue a day (90 % interval +20 to +260)"},
            decided_on={"cap-0001": DAY - timedelta(days=30)},
        ),
        "index": render_index("acme", sample_nights()),
        "rotation": render_decision(
            sample_rotation(), {"min_group": 0}, sign_command=SIGN.replace("2026", "rot-2026")
        ),
        "offers": render_decision(sample_offers(), {"min_group": 50}, sign_command=SIGN),
        "cadence": render_decision(sample_cadence(), cadence_extras(), sign_command=SIGN),
    }


def fallback_plan() -> Plan:
    """A night without a model: the last approved budgets stay."""
    lines = tuple(
        line.model_copy(
            update={
                "proposed": line.current, "expected": None, "marginal_return": None,
                "exploration": 0.0, "action": "hold", "binding": (),
                "reason": "the last approved plan stays",
            }
        )
        for line in sample_plan().lines
    )  # fmt: skip
    return sample_plan(
        mode=Mode.FALLBACK, lines=lines, expected=None, status_quo=None, uplift=None,
        certificate=None, model_health=None, budget_price=None, guardrails=(), fallback_days=3,
        reasons=("outcomes.csv ends on 2026-11-18, three days short; ask its owner",),
    )  # fmt: skip


def sample_caps(plan: Plan) -> list[Cap]:
    """The plan's caps in force, one that waits, and earlier ones."""
    caps = [
        Cap(id=c.id, scope=c.scope, max=c.max, fixed=c.fixed, min=c.min, proposed_by="ana",
            status=CapStatus.APPROVED, decided_by="fin", decided_seq=n)
        for n, c in enumerate(plan.caps)
    ]  # fmt: skip
    caps[1] = caps[1].model_copy(update={"expires": DAY + timedelta(days=5)})
    old = {"status": CapStatus.SUPERSEDED, "reason": "the summer plan", "max": 3900.0}
    return [
        *caps,
        caps[0].model_copy(
            update={
                "id": "new", "status": CapStatus.PROPOSED, "max": 4900.0, "decided_by": "",
                "reason": "It binds every night.",
            }
        ),
        caps[0].model_copy(update={"id": "old", **old}),
        caps[0].model_copy(update={"id": "no", "status": CapStatus.REJECTED, "max": 9000.0}),
    ]  # fmt: skip


def sample_nights() -> list[Night]:
    """Six nights: one waits, one was refused, one fell back, the rest were signed."""
    plan = sample_plan()
    nights = []
    for back in range(6):
        day = plan.model_copy(
            update={"date": DAY - timedelta(days=back), "plan_id": f"plan-{back}"}
        )
        if back == 3:
            day = day.model_copy(
                update={"mode": Mode.FALLBACK, "uplift": None, "expected": None, "findings": ()}
            )
        status = {0: Status.PROPOSED, 2: Status.REJECTED}.get(back, Status.APPROVED)
        signed = status is Status.APPROVED
        nights.append(
            Night(
                plan=day,
                status=status,
                decided_by="" if back == 0 else "ana",
                page=f"runs/plan-{back}/report.html",
                published=signed,
                promised=41000.0 + 100 * back if signed and back != 1 else None,
                realised=40500.0 + 333 * back if signed and back != 1 else None,
            )
        )
    return nights
