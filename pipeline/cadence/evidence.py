"""What the lottery showed: each dose against the commonest one, as lift tests of the segment.

Doses are compared inside the same weeks only, so that a season is not taken for a touch. How sure
a dose's mean is comes from its buckets: each holds other people drawn alike. What differs between
buckets week after week stays with people; it does not average out over the weeks, nor over the
epochs of one lottery, because a draw mostly leaves people where they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from pipeline.core.contacts import Contacts
from pipeline.core.history import LiftTest
from pipeline.core.types import BoolArray, FloatArray

MIN_PERSONS = 50
"""Fewer people on a dose are no arm."""
MIN_BUCKETS = 5
"""Fewer random parts do not say how far apart parts lie."""
SETTLING_WEEKS = 1
"""Weeks after a change in which people still answer to their old dose."""
POOLED = 30.0
"""Buckets that all segments together are worth to one, in what lasts with people."""
WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Weeks:
    """Contacts by week, oldest first, (n_weeks, n_segments, n_doses, n_buckets) each.

    Attributes:
        persons: mean per day. touches, reward, left: sums of the week.
        last_days: back from the newest day, the place in `days` of each week's last day.
    """

    persons: FloatArray
    touches: FloatArray
    reward: FloatArray
    left: FloatArray
    last_days: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the lottery says of each segment.

    Attributes:
        tests: doses compared, scaled to all people of the segment.
        identified: (n_segments,), whether any two doses could be compared.
        weeks: (n_segments, n_doses), person-weeks at risk. left: of them, who left.
        chance: (n_segments, 2), variance of a person's weekly value: new each week, and lasting.
    """

    tests: tuple[LiftTest, ...]
    identified: BoolArray
    weeks: FloatArray
    left: FloatArray
    chance: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Epoch:
    """Weeks of a segment in which the same doses were drawn.

    Attributes:
        spread: variance of one person's mean over these weeks, as far as chance makes it.
    """

    segment: int
    weeks: slice
    doses: list[int]
    spread: float


def read_lottery(contacts: Contacts, people: FloatArray) -> Evidence:
    """Return what people drawn by lot showed.

    Args:
        contacts: as many days as are to be learned from; the last is the newest complete one.
        people: (n_segments,), to whom a segment's response belongs.
    """
    weekly = by_week(contacts)
    epochs = [list(_epochs(weekly, segment)) for segment in range(len(contacts.segments))]
    chance = _chance(weekly, epochs)
    tests: list[LiftTest] = []
    for segment, found in enumerate(epochs):
        fresh, lasting = chance[segment]
        for weeks, doses in found:
            spread = fresh / (weeks.stop - weeks.start) + len(found) * lasting
            epoch = _Epoch(segment=segment, weeks=weeks, doses=doses, spread=spread)
            tests += _contrasts(contacts, weekly, epoch, float(people[segment]))
    known = {test.lines[0] for test in tests}
    return Evidence(
        tests=tuple(tests),
        identified=np.array([segment in known for segment in contacts.segments]),
        weeks=weekly.persons.sum(axis=(0, 3)),
        left=weekly.left.sum(axis=(0, 3)),
        chance=chance,
    )


def by_week(contacts: Contacts) -> Weeks:
    """Return the drawn people's counts by week, counted back from the newest day."""
    n_weeks = len(contacts.days) // WEEK
    start = len(contacts.days) - n_weeks * WEEK
    summed = {
        name: table[start:].reshape(n_weeks, WEEK, *table.shape[1:]).sum(axis=1)
        for name, table in contacts.drawn.items()
    }
    return Weeks(
        persons=summed["persons"] / WEEK,
        touches=summed["touches"],
        reward=summed["reward"],
        left=summed["leavers"],
        last_days=tuple(start + WEEK * (week + 1) - 1 for week in range(n_weeks)),
    )


def _epochs(weekly: Weeks, segment: int) -> Iterator[tuple[slice, list[int]]]:
    """Yield runs of weeks in which the same doses were drawn, the settling ones left out."""
    persons = weekly.persons[:, segment]
    buckets = (persons > 0).sum(axis=2)
    there = (persons.sum(axis=2) >= MIN_PERSONS) & (buckets >= MIN_BUCKETS)
    begin = 0
    for week in range(1, len(there) + 1):
        if week < len(there) and (there[week] == there[begin]).all():
            continue
        doses = np.flatnonzero(there[begin]).tolist()
        settle = SETTLING_WEEKS if begin > 0 and week - begin > SETTLING_WEEKS else 0
        if len(doses) > 1:
            yield slice(begin + settle, week), doses
        begin = week


def _contrasts(
    contacts: Contacts, weekly: Weeks, epoch: _Epoch, people: float
) -> Iterator[LiftTest]:
    """Yield each dose of an epoch against its commonest one.

    The base's people are split among the contrasts, so that nobody's luck counts twice.
    """
    persons = weekly.persons[epoch.weeks, epoch.segment][:, epoch.doses]
    sizes = persons.sum(axis=2)  # (n_weeks, n_doses)
    base = int(np.argmax(sizes.sum(axis=0)))
    others = [place for place in range(len(epoch.doses)) if place != base]
    each = {
        name: getattr(weekly, name)[epoch.weeks, epoch.segment][:, epoch.doses].sum(axis=2) / sizes
        for name in ("reward", "touches")
    }
    last = contacts.days[weekly.last_days[epoch.weeks.stop - 1]]
    first = last - timedelta(days=WEEK * len(persons) - 1)
    for place in others:
        pair = sizes[:, [place, base]]
        weight = pair.prod(axis=1) / pair.sum(axis=1)
        weight = weight / weight.sum()
        lift = float((each["reward"][:, place] - each["reward"][:, base]) @ weight)
        without = float(each["touches"][:, base] @ weight)
        change = float(each["touches"][:, place] @ weight) - without
        number = (weight**2).sum() / (weight[:, None] ** 2 / pair).sum(axis=0)
        variance = epoch.spread * (1.0 / number[0] + len(others) / number[1])
        if abs(change) < 1e-9 or not variance > 0:
            continue
        scale = people * len(persons)
        yield LiftTest(
            lines=(contacts.segments[epoch.segment],),
            first_day=first,
            last_day=last,
            lift=lift * scale,
            standard_error=float(np.sqrt(variance)) * scale,
            spend_change=change * scale,
            spend_without=without * scale,
            name=f"dose {epoch.doses[place]} against {epoch.doses[base]}",
        )


def _chance(weekly: Weeks, epochs: list[list[tuple[slice, list[int]]]]) -> FloatArray:
    """Return the variance of a person's weekly value, (n_segments, 2): new each week, and lasting.

    What lasts is pooled over segments, in shares of their means: one segment's buckets are few.
    """
    fresh, lasting, number = np.zeros(len(epochs)), np.zeros(len(epochs)), np.zeros(len(epochs))
    mean = np.ones(len(epochs))
    for segment, found in enumerate(epochs):
        parts = np.array([_parts(weekly, segment, weeks, doses) for weeks, doses in found])
        if not len(parts):
            continue
        within, between, df_within, df_between, weeks_each = parts.T
        fresh[segment] = within.sum() / max(df_within.sum(), 1.0)
        number[segment] = df_between.sum()
        lasting[segment] = (between - df_between * fresh[segment] / weeks_each).sum()
        total = weekly.persons[:, segment].sum()
        mean[segment] = max(float(weekly.reward[:, segment].sum() / max(total, 1e-9)), 1e-12)
    overall = max(float((lasting / mean**2).sum() / max(number.sum(), 1.0)), 0.0) * mean**2
    own = (lasting + POOLED * overall) / (number + POOLED)
    return np.stack([fresh, np.maximum(own, 0.0)], axis=1)


def _parts(
    weekly: Weeks, segment: int, weeks: slice, doses: list[int]
) -> tuple[float, float, float, float, float]:
    """Return an epoch's squares within and between buckets, their degrees of freedom, its weeks."""
    persons = weekly.persons[weeks, segment][:, doses]  # (n_weeks, n_doses, n_buckets)
    each = _weekly_mean(weekly.reward[weeks, segment][:, doses], persons)
    size = persons.mean(axis=0)
    there = persons > 0
    week_mean = (each * persons).sum(axis=2) / persons.sum(axis=2)
    away = np.where(there, each - week_mean[:, :, None], 0.0)
    bucket = (away * persons).sum(axis=0) / np.maximum(persons.sum(axis=0), 1e-12)
    within = (persons * np.square(np.where(there, away - bucket, 0.0))).sum()
    buckets = float((size > 0).sum() - len(doses))
    n_weeks = len(persons)
    between = (size * np.square(bucket)).sum()
    return float(within), float(between), (n_weeks - 1) * buckets, buckets, float(n_weeks)


def _weekly_mean(total: FloatArray, persons: FloatArray) -> FloatArray:
    """Return a count per person and week of every cell; 0 where nobody is."""
    return np.asarray(total / np.where(persons > 0, persons, np.inf))
