"""What a plan says of learning: what its metric rests on, what is kept from it and for it."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KpiPart(_Frozen):
    """One outcome under the north-star metric, over the last four weeks.

    Attributes:
        worth: of one of it, in units of the north-star metric.
        amount: reported a day.
        share: of the north-star metric.
    """

    metric: str
    worth: float
    amount: float
    share: float


class CreditRow(_Frozen):
    """What was credited to a scope beside what its money caused, a day of the last four weeks.

    Both are of the same days: those that the settings name are left out, and cells that the fit
    leaves out. A season or a weekday is in neither alone.

    Attributes:
        scope: empty for the portfolio.
        credit: who credited its outcomes; empty where nobody said, or where they were several.
        attributed: as credited, late outcomes completed.
        incremental: caused by the money of those days, with its 90 % interval.
        factor: incremental over attributed; None where nothing was attributed.
        tests: experiments on its lines that the curves rest on; none supports the factor where
            it is empty.
    """

    scope: dict[str, str]
    credit: str = Field(default="", exclude_if=lambda credit: not credit)
    attributed: float
    incremental: float
    p05: float
    p95: float
    factor: float | None
    tests: tuple[str, ...] = ()


class PlanKpi(_Frozen):
    """The north-star metric of a plan and how far it can be believed.

    Attributes:
        credit: who credited outcomes to lines: `platform`, `modelled`, `crm`, `experiment`,
            `several`, or empty where the settings do not say.
        parts: where it is a sum of valued outcomes.
        leads: metrics that complete its last days.
        credited: the portfolio first, then each of several systems that credit, then the
            outermost level.
    """

    north_star: str
    credit: str = ""
    parts: tuple[KpiPart, ...] = ()
    leads: tuple[str, ...] = ()
    credited: tuple[CreditRow, ...] = Field(default=())


class PlanKept(_Frozen):
    """Lines that are out of the optimiser's hands tonight for one reason.

    Attributes:
        kind: `safe ground`, `test`, `holdout` or `low data`.
        until: the last day of it; None where it has no known end.
        lines: labels.
        money: their budgets together.
    """

    kind: str
    why: str
    until: date | None = None
    lines: tuple[str, ...]
    money: float


class PlanNewLine(_Frozen):
    """A line that has begun of late.

    Attributes:
        line: its label.
        since: its first day with spend.
        days: with spend so far.
        least: its learning budget, account currency.
        chance: that its next unit of money earns more than one elsewhere; None where there is
            nothing to hold it against.
        stand: `kept`, `untouched` where the best split leaves it that much anyway, `given up`, or
            `no room` where caps, guardrails or the day's money leave it none.
    """

    line: str
    since: date
    days: int
    least: float
    chance: float | None
    stand: str


class PlanNewLines(_Frozen):
    """The learning budgets of lines that have begun of late.

    Attributes:
        until_days: with spend, after which a line is like all others.
        give_up_below: chance below which a line keeps nothing any more.
        kept: money that is kept on them tonight; `most` may be.
        cost: outcome a day that the best split earns less for their sake.
    """

    until_days: float
    give_up_below: float
    kept: float
    most: float
    cost: float
    lines: tuple[PlanNewLine, ...]


class PlanHoldout(_Frozen):
    """A standing holdout: its price tonight, and what plans were worth against it so far.

    Attributes:
        held, of: units kept on the old plan, and all units.
        price: outcome a day that tonight's plan would expect more without it.
        days: compared so far, late outcomes left out.
        lift, low, high: of plans over the old plan, relative; None while not known.
        gain, gain_low, gain_high: the same in outcome a day.
    """

    name: str
    since: date
    held: int
    of: int
    price: float
    days: int = 0
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None


class Lesson(_Frozen):
    """Money that one line has from another in order to learn.

    Attributes:
        since: its first day; a plan of before that was written has it for tonight only.
    """

    up: str
    down: str
    money: float
    since: date | None = Field(default=None, exclude_if=lambda since: since is None)


class ExplorationMove(Lesson):
    """A lesson with its price tonight.

    Attributes:
        cost: expected outcome given up tonight; below 0 it is expected to gain.
        worth: expected gain over the horizon from what the two lines then teach.
        surer_up, surer_down: share by which what is unknown of each line's next unit of money would
            shrink over a horizon of such nights.
    """

    cost: float
    worth: float
    surer_up: float
    surer_down: float


class PlanExploration(_Frozen):
    """The account of what is spent to learn.

    Attributes:
        moved: money tonight; `most` may be.
        cost: expected outcome given up tonight; `most_cost` may be.
        total_cost: tonight's and that of the published plans before, since learning was priced.
        unpaid: pairs left alone because they teach less than they cost.
        uncovered: pairs left alone because the account was used up.
        off: why nothing may be moved tonight at all; nothing where it may.
        stays: lessons of the plan in force, on a night that decides nothing. They stay with its
            budgets, and nobody has computed what they cost tonight.
    """

    moved: float
    most: float
    cost: float
    most_cost: float
    total_cost: float
    worth: float
    horizon_days: float
    unpaid: int
    uncovered: int
    moves: tuple[ExplorationMove, ...] = ()
    off: str = Field(default="", exclude_if=lambda off: not off)
    stays: tuple[Lesson, ...] = Field(default=(), exclude_if=lambda stays: not stays)
