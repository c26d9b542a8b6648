"""Which portfolio folders this Airflow serves, and the DAG that each becomes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.core.errors import PipelineError
from pipeline.core.kinds import KINDS, kinds_of
from pipeline.core.plan import Kind
from pipeline.core.policy import Policy, Schedule
from pipeline.runs.portfolio import CONFIG_NAME, open_portfolio

FOLDERS_VARIABLE = "EQUIMARGINAL_PORTFOLIOS"
DAG_PREFIX = KINDS[Kind.BUDGET].dag
CAPS_PREFIX = "cap_change__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A portfolio folder as the scheduler sees it; `problem` says why it cannot run."""

    folder: Path
    dag_id: str
    policy: Policy | None = None
    problem: str = ""

    @property
    def zone(self) -> str:
        """The zone whose calendar counts the portfolio's business days."""
        return self.policy.timezone if self.policy else "UTC"

    @property
    def schedule(self) -> Schedule:
        """When its nights start."""
        return self.policy.schedule if self.policy else Schedule()

    @property
    def first_day(self) -> date:
        """The first business day that is caught up when its night was missed.

        Without `schedule.first_day` it is the day on which the settings were last written: they
        say nothing about the days before.
        """
        if self.schedule.first_day:
            return self.schedule.first_day
        try:
            written = (self.folder / CONFIG_NAME).stat().st_mtime
        except OSError:
            written = 0.0
        return datetime.fromtimestamp(written, ZoneInfo(self.zone)).date()

    @property
    def analysts(self) -> tuple[str, ...]:
        """Who may sign its plans."""
        return tuple(person.name for person in self.policy.people.analysts) if self.policy else ()

    @property
    def finance(self) -> tuple[str, ...]:
        """Who may approve its caps."""
        return tuple(person.name for person in self.policy.people.finance) if self.policy else ()


def portfolio_folders(setting: str) -> tuple[Path, ...]:
    """Return the folders that a setting names: paths and globs, separated as in PATH.

    A glob takes the folders that hold settings; a plain path is taken as it is, so that a
    misspelt one shows up as a portfolio with a problem.
    """
    return tuple(dict.fromkeys(_folders(setting)))


def listed_portfolios(setting: str | None = None) -> tuple[Listed, ...]:
    """Return every portfolio of the setting, in order; one that is broken harms no other.

    Args:
        setting: the folders; by default what `EQUIMARGINAL_PORTFOLIOS` says.
    """
    text = os.environ.get(FOLDERS_VARIABLE, "") if setting is None else setting
    taken: dict[str, Path] = {}
    found = []
    for folder in portfolio_folders(text):
        listed = _listed(folder)
        if (other := taken.get(listed.dag_id)) is not None:
            listed = _clash(listed, other)
        taken[listed.dag_id] = folder
        found.append(listed)
    return tuple(found)


def listed_decisions(kind: Kind) -> tuple[Listed, ...]:
    """Return every readable portfolio that has a section of a kind, with that decision's DAG."""
    return tuple(
        replace(listed, dag_id=listed.dag_id.replace(DAG_PREFIX, KINDS[kind].dag, 1))
        for listed in listed_portfolios()
        if listed.policy is not None and not listed.problem and kind in kinds_of(listed.policy)
    )


def find_portfolio(dag_id: str) -> Listed | None:
    """Return the portfolio that a DAG runs, None when no readable one does."""
    budget = dag_id
    for entry in KINDS.values():
        if dag_id.startswith(entry.dag):
            budget = dag_id.replace(entry.dag, DAG_PREFIX, 1)
    for listed in listed_portfolios():
        if listed.dag_id == budget and not listed.problem:
            return listed
    return None


def latest_of(dag_id: str) -> str:
    """Return how the newest plan of a DAG is called."""
    for kind, entry in KINDS.items():
        if dag_id.startswith(entry.dag) and kind is not Kind.BUDGET:
            return f"latest-{kind.value}"
    return "latest"


def _folders(setting: str) -> Iterator[Path]:
    for part in setting.split(os.pathsep):
        if not part.strip():
            continue
        path = Path(part.strip()).expanduser().absolute()
        if any(sign in part for sign in "*?["):
            matches = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
            yield from (match for match in matches if (match / CONFIG_NAME).is_file())
        else:
            yield path


def _listed(folder: Path) -> Listed:
    try:
        policy = open_portfolio(folder).policy
    except PipelineError as error:
        # The folder's name keeps the DAG and its history where name and portfolio agree.
        return Listed(folder=folder, dag_id=DAG_PREFIX + _as_id(folder.name), problem=str(error))
    return Listed(folder=folder, dag_id=DAG_PREFIX + policy.portfolio, policy=policy)


def _clash(listed: Listed, other: Path) -> Listed:
    place = _as_id(str(listed.folder))
    return Listed(
        folder=listed.folder,
        dag_id=f"{listed.dag_id}__{place}",
        problem=(
            f"{listed.folder / CONFIG_NAME}: portfolio {listed.dag_id.removeprefix(DAG_PREFIX)!r} "
            f"is also the name of {other}; give one of them another name"
        ),
    )


def _as_id(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-") or "portfolio"
