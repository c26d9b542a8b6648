"""`portfolio.yaml` as a type: what people decided before any night runs.

Parsing is strict: an unknown key, a key given twice, a number that is not finite or a limit that
contradicts itself is refused by name, all problems of one file together.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from pipeline.core.approval import Approval
from pipeline.core.cadence_rules import CadenceRules
from pipeline.core.destinations import Destination
from pipeline.core.errors import ConfigError
from pipeline.core.objective import Objective
from pipeline.core.offer_rules import OfferRules
from pipeline.core.people import People
from pipeline.core.rotation_rules import RotationRules
from pipeline.core.safe_ground import Learning, SafeGround
from pipeline.core.setting_words import setting_problems
from pipeline.core.settings import (
    Amount,
    ClockTime,
    Column,
    Identifier,
    Name,
    Number,
    ScopeMap,
    Share,
    Strict,
    Whole,
    currency_code,
    numbers_as_floats,
    zone_name,
)
from pipeline.core.sources import Place, Sources

COUNTRY = r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"
RESERVED_COLUMNS = frozenset(
    {"date", "spend", "budget", "currency", "impressions", "clicks", "conversions", "revenue"}
)


class Guardrail(Strict):
    """A metric that may not get worse than its limit, in expectation, over its scope."""

    metric: Column
    min: Number | None = None
    max: Number | None = None
    scope: ScopeMap = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.min is None) == (self.max is None):
            raise ValueError(f"guardrail {self.metric}: give exactly one of min and max")
        return self


class Budget(Strict):
    """Money to split: a day's, or a month's that is paced."""

    daily: Amount | None = None
    monthly: Amount | None = None
    spend: Literal["exactly", "at_most"] = "exactly"

    @model_validator(mode="after")
    def _one_period(self) -> Self:
        if (self.daily is None) == (self.monthly is None):
            raise ValueError("budget: give exactly one of daily and monthly")
        return self


class Exploration(Strict):
    """What may be moved away from the best known split in order to learn, and what it may cost.

    Attributes:
        max_share: of the budget.
        max_cost_share: of tonight's expected outcome that learning may give up.
        horizon_days: for which what is learned is used; a move that teaches less over them than
            it costs is not made.
    """

    max_share: Share = 0.05
    max_cost_share: Share = 0.01
    horizon_days: Annotated[Whole, Field(ge=1, le=365)] = 28.0


class NewLines(Strict):
    """What lines that have just begun keep to learn from, and when that ends.

    Attributes:
        days: with spend, after which a line is like all others; 0 lets no line keep anything.
        max_share: of the day's money, that all of them together may keep.
        give_up_below: chance that a line's next unit of money earns more than money does
            elsewhere, below which it keeps nothing any more.
    """

    days: Annotated[Whole, Field(ge=0, le=365)] = 28.0
    max_share: Share = 0.1
    give_up_below: Annotated[float, Field(strict=True, ge=0, le=0.5)] = 0.1


class Drift(Strict):
    """How readily the watch over inputs and forecasts alarms, and how long an alarm lasts.

    Attributes:
        false_alarms_per_year: of all series of all lines together, were nothing ever to change.
        hold_days: after which the new level is taken as learned.
    """

    false_alarms_per_year: Annotated[float, Field(strict=True, gt=0, le=365)] = 1.0
    hold_days: Annotated[Whole, Field(ge=1, le=90)] = 14.0


class CapSpec(Strict):
    """A limit on the money of a scope, as a start value until finance approves it."""

    scope: ScopeMap = Field(default_factory=dict)
    min: Amount | None = None
    max: Amount | None = None
    fixed: Amount | None = None
    valid_from: date | None = None
    expires: date | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.fixed is not None and (self.min is not None or self.max is not None):
            raise ValueError("a cap that is fixed has no min or max")
        if self.fixed is None and self.min is None and self.max is None:
            raise ValueError("a cap needs min, max or fixed")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"a cap's min {self.min:g} is above its max {self.max:g}")
        if self.valid_from and self.expires and self.valid_from > self.expires:
            raise ValueError("a cap expires before it is valid")
        return self


class Feed(Strict):
    """An account of a platform whose daily rows `equimarginal pull` keeps as files.

    `days` are read again each night, because platforms restate them. `conversion` and `value` name
    the platform's own metrics; `fields` and `qualified` are for a CRM.
    """

    platform: Literal["google_ads", "meta", "microsoft", "tiktok", "linkedin", "ga4", "salesforce"]
    connection: Column
    account: Name
    level: Literal["campaign", "group"] = "campaign"
    days: Annotated[int, Field(ge=1, le=730)] = 28
    conversion: Name | None = None
    value: Name | None = None
    fields: dict[Literal["source", "campaign"], Column] = Field(default_factory=dict)
    qualified: tuple[Name, ...] = ()


class Calendar(Strict):
    """Days that are unlike others, which demand is expected to know.

    Attributes:
        holidays: countries whose public holidays count, with a part as in `US-CA`.
        days: what the portfolio makes special itself, name -> past and coming days.
    """

    holidays: tuple[Annotated[str, Field(strict=True, pattern=COUNTRY)], ...] = ()
    days: dict[Name, tuple[date, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_name_a_day(self) -> Self:
        named: dict[date, str] = {}
        for name, days in self.days.items():
            for day in days:
                if named.setdefault(day, name) != name or days.count(day) > 1:
                    raise ValueError(f"calendar.days: {day} is named twice")
        return self


class Privacy(Strict):
    """Groups smaller than `min_group` are learned from but not shown on any page."""

    min_group: Annotated[Whole, Field(ge=1)] = 50.0


class Schedule(Strict):
    """When a scheduler starts the night of a business day, in the portfolio's zone.

    Feeds are pulled at `pull_at`, before the night; plans are scored and tests read out at
    `score_at`, after it. Without a signature at `sign_by` an alarm is
    raised.

    `first_day` is how far back missed nights are caught up; without it, as far as the settings
    are old.
    """

    at: ClockTime = "05:00"
    pull_at: ClockTime = "04:00"
    score_at: ClockTime = "12:00"
    sign_by: ClockTime | None = None
    first_day: date | None = None


class Shards(Strict):
    """A fit that a scheduler spreads over its workers.

    Attributes:
        above: so many lines are fitted by one process all the same.
        lines: of a shard, at most; blocks of 120 lines stay together, and above 10,000 lines
            segments do.
    """

    above: Annotated[Whole, Field(ge=0)] = 5000.0
    lines: Annotated[Whole, Field(ge=1)] = 2048.0


class Alerts(Strict):
    """Who is told when nobody signs, a night fails, or a fallback is `fallback_days` old."""

    email: tuple[Annotated[str, Field(strict=True, pattern=r"^[^@\s,;<>]+@[^@\s,;<>]+$")], ...] = ()
    fallback_days: Annotated[Whole, Field(ge=1)] = 2.0


class Policy(Strict):
    """Everything that `portfolio.yaml` says."""

    portfolio: Identifier
    currency: Annotated[Name, AfterValidator(currency_code)]
    timezone: Annotated[Name, AfterValidator(zone_name)] = "UTC"
    line: tuple[Column, ...] = Field(min_length=1, max_length=4)
    objective: Objective = Objective()
    guardrails: tuple[Guardrail, ...] = ()
    budget: Budget
    max_daily_change: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.25
    exploration: Exploration = Exploration()
    new_lines: NewLines = NewLines()
    drift: Drift = Drift()
    safe_ground: tuple[SafeGround, ...] = ()
    learning: Learning = Learning()
    caps: tuple[CapSpec, ...] = ()
    people: People = People()
    approval: Approval = Approval()
    schedule: Schedule = Schedule()
    alerts: Alerts = Alerts()
    shards: Shards | None = None
    privacy: Privacy = Privacy()
    calendar: Calendar | None = None
    rotation: RotationRules | None = None
    offers: OfferRules | None = None
    cadence: CadenceRules | None = None
    sources: Sources
    feeds: dict[Identifier, Feed] = Field(default_factory=dict)
    destinations: dict[Identifier, Destination] = Field(default_factory=dict)
    min_probability: Annotated[float, Field(strict=True, ge=0.5, lt=1)] = 0.6
    risk_aversion: Annotated[float, Field(strict=True, ge=0, le=5)] = 0.2
    search_effort: Annotated[float, Field(strict=True, gt=0, le=100)] = 1.0
    ledger: Place | None = None
    runs: Place | None = None

    @property
    def restates(self) -> bool:
        """Whether a person has to say which plan of budgets is meant before it is carried out."""
        return self.approval.restate or any(to.is_live for to in self.destinations.values())

    @model_validator(mode="after")
    def _tables_of_decisions(self) -> Self:
        needed = (
            ("rotation", "exposures", "the rows it learns from"),
            ("cadence", "contacts", "the rows it learns from"),
            ("offers", "decisions", "the log it learns from"),
            ("offers", "customers", "who is decided for"),
        )
        for section, source, what in needed:
            if getattr(self, section) is not None and getattr(self.sources, source) is None:
                raise ValueError(f"{section}: needs sources.{source}, {what}")
        return self

    @model_validator(mode="after")
    def _references(self) -> Self:
        if "files" in self.destinations:
            raise ValueError("destinations: 'files' is the portfolio's own; use another name")
        if len(set(self.line)) != len(self.line):
            raise ValueError("line: a column is named twice")
        if taken := RESERVED_COLUMNS.intersection(self.line):
            raise ValueError(f"line: {sorted(taken)} cannot name a line")
        if unknown := sorted(set(self.sources.outcomes.by or ()) - set(self.line)):
            raise ValueError(
                f"sources.outcomes.by: {unknown} is not a line column, need some of "
                f"{list(self.line)}"
            )
        scopes = [("guardrail", rail.scope) for rail in self.guardrails]
        scopes += [("cap", cap.scope) for cap in self.caps]
        scopes += [(f"destination {name}", to.scope) for name, to in self.destinations.items()]
        scopes += [("safe_ground", ground.scope) for ground in self.safe_ground]
        for what, scope in scopes:
            if unknown := sorted(set(scope) - set(self.line)):
                raise ValueError(
                    f"{what} scope: {unknown} is not a line column, need one of {list(self.line)}"
                )
        if self.objective.leads and self.sources.outcomes.by is not None:
            raise ValueError(
                "objective.leads: need outcomes that are known line by line, and "
                "sources.outcomes.by says they are not"
            )
        if self.objective.maximize in self.sources.outcomes.controls:
            raise ValueError(f"sources.outcomes.controls: {self.objective.maximize} is maximised")
        seen: set[tuple[tuple[str, str], ...]] = set()
        for cap in self.caps:
            key = tuple(sorted(cap.scope.items()))
            if key in seen:
                raise ValueError(f"caps: the scope {dict(key)} is given twice")
            seen.add(key)
        return self


def measured_levels(policy: Policy) -> tuple[int, ...] | None:
    """Return the places in a line of the columns that outcomes are known by; None for all."""
    by = policy.sources.outcomes.by
    if by is None:
        return None
    return tuple(index for index, column in enumerate(policy.line) if column in by)


def _sections(base: type[Strict]) -> Iterator[type[Strict]]:
    for section in base.__subclasses__():
        yield section
        yield from _sections(section)


def parse_policy(data: Any, where: str) -> Policy:
    """Return the policy that a parsed YAML mapping states.

    Args:
        data: what the safe YAML loader returned.
        where: the file's name, for the message.

    Raises:
        ConfigError: with every problem of the file in one line.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: need a mapping of settings, got {type(data).__name__}")
    try:
        return Policy.model_validate(numbers_as_floats(data))
    except ValidationError as error:
        problems = setting_problems(error, (Policy, *_sections(Strict)))
        raise ConfigError(f"{where}: {'; '.join(problems)}") from error
    except RecursionError as error:
        raise ConfigError(f"{where}: a value holds itself (&name, *name); write it out") from error
