"""Tomorrow's split of each audience's exposure, what is retired, and where a new one is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.special import ndtr

from pipeline.bandits.rotation.best import probability_best
from pipeline.bandits.rotation.eligible import keep_apart, refusals
from pipeline.bandits.rotation.learn import Learned
from pipeline.bandits.rotation.shares import (
    UNITS,
    project_shares,
    room,
    wanted_shares,
    whole_shares,
)
from pipeline.bandits.rotation.standstill import Standstill, gain_of, limits_of, standstill_of
from pipeline.core.rotation_rules import RotationRules
from pipeline.core.types import BoolArray, FloatArray

LOSING_NEAR = 5.0  # "nearly the best" may be this much more probable than the error
NEW_IS_NEEDED = 0.3  # P(a creative nobody has seen beats the best one)
NEW_SHARE = 0.5  # of an even share: the least for a creative that may yet be the best
NEW_UNTIL = 0.25  # of the impressions after which its own record outweighs what others say of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a creative of an audience has now.

    Attributes:
        share: in force; 0 where it is new.
        nights_losing: so many nights in a row it looked like a loser.
        is_retired: an approved plan took it out.
        is_shown_since: it was shown since those nights were counted.
    """

    share: float = 0.0
    nights_losing: int = 0
    is_retired: bool = False
    is_shown_since: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CreativeShare:
    """One creative in one audience: what it gets and why."""

    creative: str
    current: float
    share: float
    rate: float
    rate_p05: float
    rate_p95: float
    best: float
    nearly_best: float
    nights_losing: int
    action: str
    reason: str
    binding: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceSplit:
    """One audience's split.

    Attributes:
        gain: (mean, sd) of reward per impression, plan minus what is in force.
        now, then: reward per impression in force and as planned.
        new_beats_best: P(a creative nobody has seen earns more than the best one).
        notes: where a limit had to give way.
    """

    audience: str
    shares: tuple[CreativeShare, ...]
    gain: tuple[float, float]
    now: float
    then: tuple[float, float]
    new_beats_best: float
    notes: tuple[str, ...]

    @property
    def needs_new(self) -> bool:
        """Whether a new creative would help more than another night of these."""
        live = sum(item.share > 0 for item in self.shares)
        return live < 2 or self.new_beats_best > NEW_IS_NEEDED


def rotate_audience(
    audience: str,
    creatives: tuple[str, ...],
    learned: Learned,
    place: int,
    standing: Mapping[str, Standing],
    rules: RotationRules,
    day: date,
) -> AudienceSplit:
    """Return tomorrow's split of one audience.

    Args:
        creatives: as in `learned`, every one that has been shown or is listed.
        place: the audience's row in `learned`.
        standing: of every creative that is known here; others are new.
    """
    held = {name: standing.get(name, Standing()) for name in creatives}
    retired = [name for name in creatives if held[name].is_retired]
    out = refusals(rules, audience, creatives, day, retired)
    mean, sd = learned.log_rate[place], learned.sd[place]
    live = [i for i, name in enumerate(creatives) if name not in out]
    odds = _odds(mean, sd, live)
    out |= keep_apart(rules, [creatives[i] for i in live], {creatives[i]: odds[i] for i in live})
    live = [i for i in live if creatives[i] not in out]
    best, near = _odds(mean, sd, live), _odds(mean, sd, live, near=rules.retire.near)
    losing = _losing(
        best,
        near,
        live,
        creatives,
        held,
        learned.evidence[place] >= learned.known_after[place],
        rules,
    )
    leaving = [i for i in live if losing[i] >= rules.retire.nights]
    staying = [i for i in live if i not in leaving]
    is_new = learned.evidence[place] < NEW_UNTIL * learned.known_after[place]
    shares, binding, notes = _split(staying, best, creatives, held, is_new, rules)
    held_now = np.array([held[name].share for name in creatives])
    limits = limits_of(staying, is_new, rules, len(creatives), NEW_SHARE)
    standstill = standstill_of(shares, held_now, limits, mean, sd, rules)
    if standstill.holds:
        shares, binding, notes = held_now, {}, [standstill.note]
    elif standstill.note:
        notes = [*notes, standstill.note]
    rows = tuple(
        _row(i, creatives[i], held[creatives[i]], shares, best, near, losing, leaving,
             out, binding, mean, sd, standstill)
        for i in range(len(creatives))
        if creatives[i] not in out or held[creatives[i]].share > 0 or held[creatives[i]].is_retired
    )  # fmt: skip
    now, then, gain = gain_of(shares, held_now, mean, sd)
    return AudienceSplit(
        audience=audience,
        shares=rows,
        notes=tuple(notes),
        new_beats_best=_new_beats_best(learned, place, staying),
        now=now,
        then=then,
        gain=gain,
    )


def _odds(mean: FloatArray, sd: FloatArray, live: list[int], near: float = 0.0) -> FloatArray:
    out = np.zeros(mean.size)
    if live:
        out[live] = probability_best(mean[live], sd[live], near=near)
    return out


def _losing(
    best: FloatArray,
    near: FloatArray,
    live: list[int],
    creatives: tuple[str, ...],
    held: Mapping[str, Standing],
    is_known: BoolArray,
    rules: RotationRules,
) -> list[int]:
    """Return for how many nights in a row, tonight included, each creative looks like a loser.

    A night without new exposure counts nothing: the same days would be judged again.
    """
    nights = [0] * len(creatives)
    error = rules.retire.error
    for i in live:
        is_loser = best[i] < error and near[i] < LOSING_NEAR * error
        if is_loser and is_known[i]:
            before = held[creatives[i]]
            nights[i] = max(before.nights_losing + before.is_shown_since, 1)
    return nights


def _split(
    staying: list[int],
    best: FloatArray,
    creatives: tuple[str, ...],
    held: Mapping[str, Standing],
    is_new: BoolArray,
    rules: RotationRules,
) -> tuple[FloatArray, dict[int, tuple[str, ...]], list[str]]:
    """Return every creative's share, the limits that bind, and what had to give way."""
    shares = np.zeros(len(creatives))
    if not staying:
        return shares, {}, ["no creative may be shown here; supply one"]
    current = np.array([held[creatives[i]].share for i in staying])
    n = current.size
    if current.sum() <= 0:
        current = np.full(n, 1 / n)
    current = current / current.sum()  # what leaves hands its share to the others in proportion
    wanted = wanted_shares(best[staying], sharpness=rules.sharpness, uniform=rules.uniform)
    floor = np.where(is_new[staying], NEW_SHARE / n, rules.uniform / n)
    ceiling = rules.max_share
    step = np.where(is_new[staying], 1.0, rules.max_daily_change)
    low, high, widened = room(current, floor, ceiling=ceiling, step=step)
    found = project_shares(np.clip(wanted, low, high), low, high)
    found = whole_shares(found, high, UNITS)
    shares[staying] = found
    binding = {
        i: _binding(found[k], low[k], high[k], floor[k], max(ceiling, 1 / n), n)
        for k, i in enumerate(staying)
    }
    notes = ["the daily step gave way: too little may be shown otherwise"] if widened else []
    return shares, binding, notes


def _binding(
    share: float, low: float, high: float, floor: float, ceiling: float, n: int
) -> tuple[str, ...]:
    tiny = 1.5 / UNITS
    if n < 2:
        return ()
    if share >= high - tiny:
        return ("ceiling",) if high >= ceiling - tiny else ("daily step",)
    if share <= low + tiny:
        return ("floor",) if low <= floor + tiny else ("daily step",)
    return ()


def _row(
    i: int,
    creative: str,
    held: Standing,
    shares: FloatArray,
    best: FloatArray,
    near: FloatArray,
    losing: list[int],
    leaving: list[int],
    out: Mapping[str, str],
    binding: Mapping[int, tuple[str, ...]],
    mean: FloatArray,
    sd: FloatArray,
    standstill: Standstill,
) -> CreativeShare:
    action, reason = _action(i, creative, held, shares, losing, leaving, out)
    at_floor = "floor" in binding.get(i, ())
    if action == "start" and not at_floor:
        reason = "new here, and may well be the best"
    elif action == "raise" and at_floor:
        reason = "raised to its floor: too little is known of it here"
    if standstill.holds and action == "hold":
        reason = "no other split is sure enough to be better"
    return CreativeShare(
        creative=creative,
        current=held.share,
        share=float(shares[i]),
        rate=float(np.exp(mean[i])),
        rate_p05=float(np.exp(mean[i] - 1.645 * sd[i])),
        rate_p95=float(np.exp(mean[i] + 1.645 * sd[i])),
        best=float(best[i]),
        nearly_best=float(near[i]),
        nights_losing=losing[i],
        action=action,
        reason=reason,
        binding=binding.get(i, ()),
    )


def _action(
    i: int,
    creative: str,
    held: Standing,
    shares: FloatArray,
    losing: list[int],
    leaving: list[int],
    out: Mapping[str, str],
) -> tuple[str, str]:
    if creative in out:
        return ("retired" if held.is_retired else "stop"), out[creative]
    if i in leaving:
        return "retire", f"not the best, nor nearly, on {losing[i]} nights in a row"
    if held.share == 0:
        return "start", "new here: at least half an even share until it is known"
    if losing[i]:
        nights = "1 night" if losing[i] == 1 else f"{losing[i]} nights"
        return "reduce", f"looks like a loser, {nights} in a row so far"
    return _moved(float(shares[i] - held.share))


def _moved(change: float) -> tuple[str, str]:
    if change > 0.005:
        return "raise", "more probably the best than its share says"
    if change < -0.005:
        return "reduce", "less probably the best than its share says"
    return "hold", "its share is what it should be"


def _new_beats_best(learned: Learned, place: int, live: list[int]) -> float:
    """Return P(one more creative, as they usually are, earns more than the best of these)."""
    if not live:
        return 1.0
    mean = np.append(learned.log_rate[place, live], learned.level[place])
    sd = np.append(learned.sd[place, live], learned.spread)
    if len(live) == 1:
        return float(ndtr((mean[1] - mean[0]) / np.hypot(sd[0], sd[1])))
    return float(probability_best(mean, sd)[-1])
