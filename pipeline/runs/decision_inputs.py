"""What a decision other than the budget rests on besides its data, frozen as its night starts."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict

import pipeline
from pipeline.core.canonical import content_hash
from pipeline.core.decision import DecisionPlan
from pipeline.core.kinds import KINDS
from pipeline.core.plan import Kind
from pipeline.core.policy import Policy
from pipeline.io.artefacts import RunFolder
from pipeline.runs.inputs import CLOCK, INPUTS, read_plain, resting_days, revoked_by
from pipeline.runs.portfolio import Portfolio


class DecisionInputs(BaseModel):
    """The frozen inputs of one night of a decision.

    Attributes:
        published: the plan of this kind that is in force, None before the first.
        revoked_by: who withdrew its signature since; empty where it stands.
        previous: the newest plan of this kind of an earlier day, published or not.
        version: of the software; another version may decide otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    day: date
    policy: Policy
    published: DecisionPlan | None
    revoked_by: str = ""
    previous: DecisionPlan | None
    version: str

    @property
    def rules_version(self) -> str:
        """The hash of the rules that tonight's decision obeys."""
        return rules_version(self.policy, self.kind)

    def fallback_days(self) -> int:
        """Return for how many days in a row, tonight included, a fallback would be in force."""
        return resting_days(self.previous, self.day)


def rules_version(policy: Policy, kind: Kind) -> str:
    """Return the hash of a decision's section of the settings."""
    section = getattr(policy, kind.value)
    return content_hash(None if section is None else section.model_dump(mode="json"))


def freeze_decision(portfolio: Portfolio, kind: Kind, day: date, work: RunFolder) -> DecisionInputs:
    """Write tonight's inputs into the work folder and return them."""
    from pipeline.runs.signoff import ready_ledger

    ledger, name = ready_ledger(portfolio), portfolio.policy.portfolio
    published = ledger.last_published(name, day, kind)
    previous = ledger.plan_before(name, day, kind)
    inputs = DecisionInputs(
        kind=kind,
        day=day,
        policy=portfolio.policy,
        published=None if published is None else published.decision,
        revoked_by=revoked_by(published),
        previous=None if previous is None else previous.decision,
        version=pipeline.__version__,
    )
    work.write_json(INPUTS, inputs.model_dump(mode="json"))
    work.write_json(CLOCK, {"today": max(portfolio.today(), day).isoformat()})
    return inputs


def read_decision_inputs(work: RunFolder) -> DecisionInputs:
    """Return the inputs that a night of a decision froze."""
    return DecisionInputs.model_validate(read_plain(work.read_json(INPUTS)))


def rule_changes(policy: Policy, plan: DecisionPlan) -> tuple[str, ...]:
    """Return what voids a stored plan: rules that are no longer those it was made for."""
    if rules_version(policy, plan.kind) == plan.rules_version:
        return ()
    return (
        f"the rules under {plan.kind.value} changed since it was made; run 'equimarginal "
        f"{KINDS[plan.kind].command} --date {plan.date.isoformat()}' again",
    )


def section_of(policy: Policy, kind: Kind) -> Any:
    """Return a decision's section.

    Raises:
        ConfigError: the portfolio does not have one.
    """
    from pipeline.core.errors import ConfigError

    section = getattr(policy, kind.value)
    if section is None:
        raise ConfigError(
            f"portfolio.yaml: has no section {kind.value}, so nothing is decided there; "
            f"add '{kind.value}: {{}}' and its sources, see docs/portfolio.md"
        )
    return section
