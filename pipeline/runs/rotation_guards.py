"""What a rotation may not do to an audience, and where the plan comes nearest to it."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.bandits.rotation.rotate import AudienceSplit, CreativeShare
from pipeline.bandits.rotation.shares import UNITS
from pipeline.core.plan import PlanGuardrail
from pipeline.core.rotation_rules import RotationRules

ROUNDING = 1.5 / UNITS


def guardrails_of(
    splits: Sequence[AudienceSplit], rules: RotationRules
) -> tuple[PlanGuardrail, ...]:
    """Return each limit on shares with the audience and creative that come nearest to it.

    An audience with one creative left has nothing to share, and none is said of it.
    """
    shown = [
        (split, item)
        for split in splits
        for item in split.shares
        if item.share > 0 and _among(split) > 1
    ]
    if not shown:
        return ()
    least = min(shown, key=lambda pair: pair[1].share * _among(pair[0]))
    most = max(shown, key=lambda pair: pair[1].share)
    moved = max(shown, key=lambda pair: _change(pair[1]))
    even = rules.uniform / _among(least[0])
    ceiling = max(rules.max_share, 1 / _among(most[0]))
    return (
        _limit("least share", "min", even, least[1].share, *least),
        _limit("largest share", "max", ceiling, most[1].share, *most),
        _limit("change in a night", "max", rules.max_daily_change, _change(moved[1]), *moved),
    )


def _among(split: AudienceSplit) -> int:
    return sum(item.share > 0 for item in split.shares)


def _change(item: CreativeShare) -> float:
    return abs(item.share - item.current)


def _limit(
    metric: str, kind: str, limit: float, value: float, split: AudienceSplit, item: CreativeShare
) -> PlanGuardrail:
    beyond = limit - value if kind == "min" else value - limit
    return PlanGuardrail(
        metric=metric,
        limit=round(limit, 6),
        kind=kind,
        scope={"audience": split.audience, "creative": item.creative},
        expected=round(value, 6),
        status="pass" if beyond <= ROUNDING else "review",
    )
