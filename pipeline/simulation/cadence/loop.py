"""The closed loop of the cadence: four weeks a turn, every proposal signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.cadence.evidence import by_week
from pipeline.cadence.lottery import lottery
from pipeline.core.cadence_rules import CadenceRules, Leaving, Lottery
from pipeline.core.contacts import COUNTS, Contacts
from pipeline.core.types import FloatArray
from pipeline.runs.cadence.decide import NOT_A_DAY, CadenceFacts, decide_cadence
from pipeline.simulation.cadence.world import HIGHEST, TURN_DAYS, CadenceWorld

FIRST_DAY = date(2026, 1, 5)
START = 2.0
WATCHED = 2  # turns before the first decision
KEPT = 7  # turns that a night looks back on

Policy = Callable[[CadenceWorld, Contacts, FloatArray, date], FloatArray]
"""From what was seen and the cadence in force: the cadence of the next four weeks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedCadence:
    """A policy's run; values are true net value a week, per turn that was decided.

    Attributes:
        path: (n_turns, n_segments), touches a week.
        raises, unsafe: times a segment was raised; of them, where one more touch makes more
            people leave than the guardrail allows.
    """

    path: FloatArray
    value: FloatArray
    still: FloatArray
    best: FloatArray
    raises: int
    unsafe: int

    @property
    def captured(self) -> float:
        """The share of the way from leaving everything as it is to the best, over the run."""
        return float((self.value - self.still).sum() / self.scale)

    @property
    def lift(self) -> float:
        """What the policy earns over the run, in shares of what standing still earns there."""
        return float((self.value - self.still).sum() / max(abs(float(self.still.sum())), 1e-9))

    @property
    def scale(self) -> float:
        """What there was to gain over the run."""
        return max(float((self.best - self.still).sum()), 1e-9)


def rules_of(world: CadenceWorld) -> CadenceRules:
    """Return the settings that the world's owner would write."""
    return CadenceRules(
        segment=("stage",),
        capacity=world.capacity,
        max_touches=float(HIGHEST),
        touch_cost=world.kind.touch_cost,
        leaving=Leaving(cost=world.kind.leaver_cost),
    )


def play_cadence(
    world: CadenceWorld, policy: Policy, rng: np.random.Generator, start: float = START
) -> PlayedCadence:
    """Return how a policy does that starts with one cadence for everybody."""
    rules = rules_of(world)
    still = np.full(world.people.size, start)
    cadence = still
    turns: list[Contacts] = []
    path: list[FloatArray] = []
    values: list[tuple[float, float, float]] = []
    raises = unsafe = 0
    for turn in range(world.kind.turns):
        day = FIRST_DAY + timedelta(days=turn * TURN_DAYS)
        if turn >= WATCHED:
            new = policy(world, joined(turns[-KEPT:]), cadence, day)
            up = np.flatnonzero(new > cadence + 1e-6)
            raises += up.size
            unsafe += int((np.expm1(world.growth[up]) >= rules.leaving.max_rise).sum())
            cadence = new
            path.append(cadence)
            values.append(
                (
                    world.total(cadence, turn),
                    world.total(still, turn),
                    world.total(world.best(turn), turn),
                )
            )
        shares = np.stack([lottery(float(dose), HIGHEST, rules.lottery) for dose in cadence])
        turns.append(world.turn(shares, turn, day, rng))
    table = np.array(values)
    return PlayedCadence(
        path=np.stack(path),
        value=table[:, 0],
        still=table[:, 1],
        best=table[:, 2],
        raises=raises,
        unsafe=unsafe,
    )


def one_for_all(
    world: CadenceWorld, dose: float, turns: int, first: date, rng: np.random.Generator
) -> Contacts:
    """Return what some turns from a day on show in which everybody has one cadence."""
    shares = np.stack([lottery(dose, HIGHEST, Lottery())] * world.people.size)
    days = [first + timedelta(days=turn * TURN_DAYS) for turn in range(turns)]
    return joined([world.turn(shares, turn, day, rng) for turn, day in enumerate(days)])


def joined(turns: list[Contacts]) -> Contacts:
    """Return consecutive turns as one."""
    return Contacts(
        days=tuple(day for turn in turns for day in turn.days),
        segments=turns[0].segments,
        drawn={n: np.concatenate([turn.drawn[n] for turn in turns]) for n in COUNTS},
        rest={n: np.concatenate([turn.rest[n] for turn in turns]) for n in COUNTS},
        must_send=np.concatenate([turn.must_send for turn in turns]),
    )


def ours() -> Policy:
    """Return the cadence as it is shipped."""

    def policy(world: CadenceWorld, seen: Contacts, now: FloatArray, day: date) -> FloatArray:
        facts = CadenceFacts(
            name="world",
            day=day,
            columns=("stage",),
            contacts=seen,
            current=now,
            changed=np.full(now.size, NOT_A_DAY),
            rules=rules_of(world),
        )
        return decide_cadence(facts).cadence

    return policy


def even(world: CadenceWorld, seen: Contacts, now: FloatArray, day: date) -> FloatArray:
    """Return the same for everybody: all that the capacity allows."""
    del seen, day
    return np.full(now.size, min(world.kind.capacity, float(HIGHEST)))


def more_for_buyers(world: CadenceWorld, seen: Contacts, now: FloatArray, day: date) -> FloatArray:
    """Return the usual rule: whoever brings more is written to more, up to the frequency cap."""
    del now, day
    each = seen.total("reward").sum(axis=0) / seen.total("persons").sum(axis=0)
    low, high = 0.0, 100.0
    for _ in range(60):
        scale = (low + high) / 2
        if np.minimum(scale * each, HIGHEST) @ world.people > world.capacity:
            high = scale
        else:
            low = scale
    return np.asarray(np.minimum(low * each, HIGHEST))


def best_arm(world: CadenceWorld, seen: Contacts, now: FloatArray, day: date) -> FloatArray:
    """Return each segment's dose whose people brought most in the lottery, as they are read off."""
    del now, day
    weeks = by_week(seen)
    people = weeks.persons.sum(axis=(0, 3))
    brought = weeks.reward.sum(axis=(0, 3)) / np.maximum(people, 1e-9)
    leaving = weeks.left.sum(axis=(0, 3)) / np.maximum(people, 1e-9) * world.kind.leaver_cost
    doses = np.arange(people.shape[1])
    score = np.where(people > 0, brought - leaving - world.kind.touch_cost * doses, -np.inf)
    wanted = score.argmax(axis=1).astype(float)
    part = min(world.capacity / max(float(wanted @ world.people), 1e-9), 1.0)
    return np.asarray(part * wanted)
