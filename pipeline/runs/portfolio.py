"""A portfolio folder, opened: its policy, its ledger, its runs, its clock."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipeline.core.clock import Clock, fixed_clock, system_clock
from pipeline.core.errors import ConfigError, UsageError
from pipeline.core.policy import Policy, parse_policy
from pipeline.io.yaml import load_yaml

if TYPE_CHECKING:
    from pipeline.io.ledger import Ledger

CONFIG_NAME = "portfolio.yaml"
STATE_FOLDER = ".equimarginal"


@dataclass(frozen=True, kw_only=True)
class Portfolio:
    """One portfolio folder and everything a run needs to know about it."""

    folder: Path
    policy: Policy
    clock: Clock = field(repr=False)

    @property
    def state(self) -> Path:
        """The folder of what the software keeps: ledger, runs, audit head."""
        return self.folder / STATE_FOLDER

    @property
    def runs(self) -> str:
        """Where run folders live: a local path or an object-store URL."""
        return self.policy.runs or str(self.state / "runs")

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, opened when it is first needed."""
        from pipeline.io.ledger import ledger_place, open_ledger

        where = ledger_place(self.policy.ledger, self.folder)
        return open_ledger(where, self.clock, head_path=self.state / "audit-head.json")

    def today(self) -> date:
        """Return the business day: the clock's date in the portfolio's zone."""
        return self.clock().astimezone(ZoneInfo(self.policy.timezone)).date()


def open_portfolio(folder: str | Path, clock: Clock | None = None) -> Portfolio:
    """Return the portfolio of a folder; nothing is written.

    Args:
        folder: holds `portfolio.yaml`.
        clock: what time it is; the machine's by default, or `EQUIMARGINAL_NOW` for trying out.

    Raises:
        ConfigError: the file is missing, unreadable or contradicts itself.
        UsageError: `EQUIMARGINAL_NOW` is set where people sign with a login.
    """
    root = Path(folder).expanduser().resolve()
    path = root / CONFIG_NAME
    if not path.is_file():
        raise ConfigError(
            f"{path}: no such file; go to a portfolio folder, name one with -w, "
            "or make one with 'equimarginal init DIR'"
        )
    policy = parse_policy(load_yaml(path), CONFIG_NAME)
    return Portfolio(folder=root, policy=policy, clock=clock or _clock(policy))


def _clock(policy: Policy) -> Clock:
    """Return the machine's clock, or the one that `EQUIMARGINAL_NOW` sets for trying out."""
    text = os.environ.get("EQUIMARGINAL_NOW")
    if not text:
        return system_clock
    people = (*policy.people.analysts, *policy.people.finance)
    if any(person.login for person in people):
        raise UsageError("EQUIMARGINAL_NOW: not allowed where people sign with a login; unset it")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageError(
            f"EQUIMARGINAL_NOW: got {text!r}, need an ISO moment with a zone, "
            "such as 2026-11-22T06:00:00+01:00"
        )
    return fixed_clock(moment)
