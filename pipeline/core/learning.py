"""What a plan says of learning: what its north-star metric rests on, and what is kept from it."""

from __future__ import annotations

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

    Attributes:
        scope: empty for the portfolio.
        attributed: as credited, late outcomes completed.
        incremental: caused by the money, with its 90 % interval.
        factor: incremental over attributed; None where nothing was attributed.
        tests: experiments on its lines that the curves rest on; none supports the factor where
            it is empty.
    """

    scope: dict[str, str]
    attributed: float
    incremental: float
    p05: float
    p95: float
    factor: float | None
    tests: tuple[str, ...] = ()


class PlanKpi(_Frozen):
    """The north-star metric of a plan and how far it can be believed.

    Attributes:
        credit: who credited outcomes to lines: `platform`, `modelled`, `crm`, `experiment`, or
            empty where the settings do not say.
        parts: where it is a sum of valued outcomes.
        leads: metrics that complete its last days.
        credited: the portfolio first, then its outermost level.
    """

    north_star: str
    credit: str = ""
    parts: tuple[KpiPart, ...] = ()
    leads: tuple[str, ...] = ()
    credited: tuple[CreditRow, ...] = Field(default=())
