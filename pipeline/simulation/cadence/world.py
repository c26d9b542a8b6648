"""An audience with known truth: what touches a week earn, and whom they drive away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.core.contacts import Contacts
from pipeline.core.types import FloatArray, Line

TURN_DAYS = 28
HIGHEST = 4
BUCKETS = 10
WEEK = 7
SENT_ON = np.array([0.0, 3.5, 0.0, 3.5, 0.0, 0.0, 0.0])  # Tuesdays and Thursdays, mean 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CadenceKind:
    """What kind of audience. Pairs are ranges, uniform.

    Attributes:
        turns: of four weeks; the first two only watch.
        people: of a typical segment; segments differ by a factor of e^0.5.
        worth: of all touches a person could be sent, a week. organic: without any touch.
        bend: per touch; the first earns `worth * (1 - exp(-bend))`.
        growth: log hazard per touch a week. hazard: of leaving in a week without touches.
        noise: sd of a person's weekly value over its mean, new each week.
        lasting: the same, of what stays with a person.
        season: of common demand, sd of its log, over a year's wave.
        fading: share of the worth that is lost per turn.
        capacity: touches a week and person, over all segments.
        rest: share of people whose touches nobody drew: who buys more gets more.
    """

    turns: int = 10
    segments: int = 6
    people: float = 20_000.0
    worth: tuple[float, float] = (0.2, 1.2)
    organic: tuple[float, float] = (0.5, 2.0)
    bend: tuple[float, float] = (0.3, 1.0)
    growth: tuple[float, float] = (0.0, 0.2)
    hazard: tuple[float, float] = (0.002, 0.008)
    leaver_cost: float = 25.0
    touch_cost: float = 0.02
    noise: float = 3.0
    lasting: float = 1.0
    season: float = 0.1
    fading: float = 0.0
    capacity: float = 2.0
    rest: float = 0.0


KINDS = {
    "large": CadenceKind(),
    "small": CadenceKind(people=2_000.0),
    "tiny": CadenceKind(people=400.0),
    "null": CadenceKind(worth=(0.0, 0.0)),
    "harmful": CadenceKind(growth=(0.25, 0.5), hazard=(0.01, 0.02), worth=(0.05, 0.3)),
    "harmless": CadenceKind(growth=(0.0, 0.05)),
    "seasonal": CadenceKind(season=0.4),
    "lasting": CadenceKind(lasting=4.0),
    "fading": CadenceKind(fading=0.08, turns=14),
    "targeted": CadenceKind(rest=0.7, season=0.3),
    "many": CadenceKind(segments=24, people=3_000.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CadenceWorld:
    """One audience; arrays (n_segments,)."""

    kind: CadenceKind
    segments: tuple[Line, ...]
    people: FloatArray
    worth: FloatArray
    organic: FloatArray
    bend: FloatArray
    growth: FloatArray
    hazard: FloatArray
    lasting: FloatArray

    @property
    def capacity(self) -> float:
        """Touches a week."""
        return float(self.kind.capacity * self.people.sum())

    def earned(self, dose: FloatArray, turn: int) -> FloatArray:
        """Return what touches truly earn a week and person, one dose per segment."""
        worth = self.worth * (1 - self.kind.fading) ** turn
        return np.asarray(worth * -np.expm1(-self.bend * dose))

    def earned_table(self, doses: FloatArray, turn: int) -> FloatArray:
        """Return the same of several doses for every segment, (n_segments, n_doses)."""
        each = [self.earned(np.full(self.people.size, dose), turn) for dose in doses.tolist()]
        return np.stack(each, axis=1)

    def net(self, dose: FloatArray, turn: int) -> FloatArray:
        """Return each segment's true net value a week and person at its dose, against none."""
        more = self.hazard * np.expm1(self.growth * dose) * self.kind.leaver_cost
        return np.asarray(self.earned(dose, turn) - self.kind.touch_cost * dose - more)

    def total(self, dose: FloatArray, turn: int) -> float:
        """Return the true net value of everybody's touches a week."""
        return float(self.people @ self.net(dose, turn))

    def best(self, turn: int) -> FloatArray:
        """Return the best doses inside the capacity, to a hundredth of a touch."""
        grid = np.linspace(0, HIGHEST, 100 * HIGHEST + 1)
        table = np.stack([self.net(np.full(self.people.size, d), turn) for d in grid])
        low, high = 0.0, 10.0
        for _ in range(50):  # the price of a touch at which the capacity is just enough
            price = (low + high) / 2
            dose = grid[np.argmax(table - price * grid[:, None], axis=0)]
            low, high = (price, high) if dose @ self.people > self.capacity else (low, price)
        return np.asarray(grid[np.argmax(table - high * grid[:, None], axis=0)])

    def turn(
        self, shares: FloatArray, number: int, first: date, rng: np.random.Generator
    ) -> Contacts:
        """Return what four weeks showed.

        Args:
            shares: (n_segments, n_doses), of the people of the lottery, on the doses 0, 1, 2, ...
            number: of the turn, 0 for the first.
        """
        size, doses = self.people.size, np.arange(shares.shape[1], dtype=float)
        drawn = self.people * (1 - self.kind.rest)
        persons = np.floor(shares * drawn[:, None] / BUCKETS)[:, :, None] * np.ones(BUCKETS)
        earned = self.earned_table(doses, number)
        mean = (self.organic[:, None] + earned)[:, :, None]
        lasting = self.kind.lasting * self.lasting[:, : doses.size]
        base = mean * (1 + lasting / np.sqrt(np.maximum(persons, 1.0)))
        hazard = self.hazard[:, None] * np.exp(np.outer(self.growth, doses))
        days = [first + timedelta(days=back) for back in range(TURN_DAYS)]
        sent = np.array([SENT_ON[day.weekday()] for day in days])
        wave = self.kind.season * np.sin(np.array([d.toordinal() for d in days]) / 365 * 2 * np.pi)
        demand = np.exp(wave * np.sqrt(2) + 0.05 * rng.standard_normal(TURN_DAYS))
        cells = (TURN_DAYS, *persons.shape)
        usual = np.broadcast_to(persons * np.maximum(base, 0.05 * mean) / WEEK, cells)
        spread = np.broadcast_to(self.kind.noise * mean * np.sqrt(persons / WEEK), cells)
        reward = demand[:, None, None, None] * _positive(usual, spread, rng)
        everybody = np.broadcast_to(persons, cells)
        return Contacts(
            days=tuple(days),
            segments=self.segments,
            drawn={
                "persons": everybody.copy(),
                "touches": sent[:, None, None, None] * everybody * doses[:, None] / WEEK,
                "reward": reward,
                "leavers": rng.poisson(everybody * hazard[:, :, None] / WEEK).astype(float),
            },
            rest=self._rest(demand, sent, number, rng),
            must_send=np.zeros((TURN_DAYS, size)),
        )

    def _rest(
        self, demand: FloatArray, sent: FloatArray, number: int, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        """Return people whose touches follow what they buy, so that touches look better."""
        persons = np.broadcast_to(self.people * self.kind.rest, (len(demand), self.people.size))
        dose = np.clip(2.0 * demand**2, 0, HIGHEST)
        each = np.stack([self.earned(np.full(self.people.size, d), number) for d in dose])
        mean = persons * (self.organic + each) / WEEK * demand[:, None]
        spread = self.kind.noise * mean / np.sqrt(np.maximum(persons, 1.0) / WEEK)
        return {
            "persons": persons.copy(),
            "touches": persons * (dose * sent)[:, None] / WEEK,
            "reward": _positive(mean, spread, rng),
            "leavers": rng.poisson(persons * self.hazard / WEEK).astype(float),
        }


def _positive(mean: FloatArray, spread: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return draws that are never negative, with this mean and spread; 0 where the mean is."""
    some = mean > 0
    shape = np.square(np.where(some, mean / np.where(some, spread, 1.0), 1.0))
    return np.asarray(np.where(some, rng.gamma(shape) * mean / shape, 0.0))


def make_cadence_world(kind: CadenceKind, rng: np.random.Generator) -> CadenceWorld:
    """Return an audience drawn from a kind."""
    size = kind.segments

    def ranged(bounds: tuple[float, float]) -> FloatArray:
        return rng.uniform(*bounds, size)

    return CadenceWorld(
        kind=kind,
        segments=tuple((f"stage_{i + 1:02d}",) for i in range(size)),
        people=np.round(kind.people * np.exp(0.5 * rng.standard_normal(size))),
        worth=ranged(kind.worth),
        organic=ranged(kind.organic),
        bend=ranged(kind.bend),
        growth=ranged(kind.growth),
        hazard=ranged(kind.hazard),
        lasting=rng.standard_normal((size, HIGHEST + 1, BUCKETS)),
    )
