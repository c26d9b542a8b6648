"""Every kind of decision, one entry each: all that has to be said of a kind outside its nights.

A new kind is an entry here, a section of `portfolio.yaml` named by the kind, and the module that
says how its plans are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.core.plan import Kind
from pipeline.core.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How the page of a decision speaks of it.

    Attributes:
        what: of the title, such as `creative rotation`.
        group: what is split, such as `audience`.
        member: what gets a part, such as `creative`.
        amount: heading of the amounts, such as `share of exposure`.
        rate: heading of a line's expectation, and what the expectation is multiplied by.
        rules: what the decision obeys.
    """

    what: str
    group: str
    member: str
    amount: str
    rate: str
    rate_times: float
    rules: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KindEntry:
    """What the ledger, the command line, Airflow, the files and the pages call one kind.

    Attributes:
        command: of the command line, that runs its night.
        dag: what its DAGs' ids begin with; the portfolio's name follows.
        files: stem of the published files; for all but budgets the kind also names their folder.
        course: the module whose `COURSE` says how its plans are made; empty where none does yet.
        name: of its plan in a sentence.
        stays: what holds where nothing new is decided and something was signed.
        words: of its page; None for budgets, whose page is another.
    """

    command: str
    dag: str
    files: str
    course: str
    name: str
    stays: str
    words: Words | None = None

    def rests(self, *, is_signed: bool) -> str:
        """Return what holds where nothing new is decided: of decisions, nothing before the first.

        Args:
            is_signed: whether a plan of the kind is in force.
        """
        if is_signed or self.words is None:
            return self.stays
        return (
            f"no {self.name} {'were' if self.name.endswith('s') else 'was'} ever signed, so "
            "nothing changes"
        )


KINDS: Mapping[Kind, KindEntry] = {
    Kind.BUDGET: KindEntry(
        command="night",
        dag="daily_reallocation__",
        files="budgets",
        course="pipeline.runs.night",
        name="plan",
        stays="budgets stay as they are",
    ),
    Kind.ROTATION: KindEntry(
        command="rotate",
        dag="creative_rotation__",
        files="rotation",
        course="pipeline.runs.rotation",
        name="rotation",
        stays="the shares in force stay",
        words=Words(
            what="Creative rotation",
            group="audience",
            member="creative",
            amount="Share of exposure",
            rate="per 1,000 impressions",
            rate_times=1_000,
            rules="brand rules",
        ),
    ),
    Kind.OFFERS: KindEntry(
        command="offers",
        dag="next_best_offer__",
        files="offers",
        course="pipeline.runs.offers",
        name="offers",
        stays="the offers in force stay",
        words=Words(
            what="Next best offer",
            group="segment",
            member="offer",
            amount="Share of decisions",
            rate="a decision",
            rate_times=1,
            rules="rules of consent, contact and eligibility",
        ),
    ),
    Kind.CADENCE: KindEntry(
        command="cadence",
        dag="lifecycle_cadence__",
        files="cadence",
        course="pipeline.runs.cadence.night",
        name="cadence",
        stays="the touches in force stay",
        words=Words(
            what="Lifecycle cadence",
            group="segment",
            member="segment",
            amount="Touches a week",
            rate="a person and week",
            rate_times=1,
            rules="contact rules",
        ),
    ),
}


def kinds_of(policy: Policy) -> tuple[Kind, ...]:
    """Return what a portfolio decides: budgets, and every kind that it has a section for."""
    return tuple(
        kind
        for kind in KINDS
        if kind is Kind.BUDGET or getattr(policy, kind.value, None) is not None
    )
