"""Kills, failing calls and power cuts: after each, the office goes on as if nothing had been.

First every call of every command has its accident, alone. Then come offices that are hit again and
again, each time wherever they had got to. Seeds 1, 2, 3 ... are the parts of one whole: together
they have each call once, whatever the scale.
"""

from __future__ import annotations

import errno
import mmap
import os
import random
import traceback
from pathlib import Path

from pipeline.core.errors import PipelineError
from tests.torture.disk import COUNT, FAIL_EVER, FAIL_ONCE, KILL, in_child
from tests.torture.ground import Ground, Morning
from tests.torture.office import STEPS, Office
from tests.torture.power import Recording, after_cut
from tests.torture.report import Outcome, Tell

SIGKILLED = -9
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
NAMED, UNNAMED = 10, 11
APART = 50  # calls between two accidents of one office, in the middle
MOST = 400  # accidents of one office; it is through after about forty


def kills(count: int, seed: int, tell: Tell) -> Outcome:
    """Kill at every write point in turn; once all had their turn, again and again in one office."""
    ground, outcome, rng = Ground(), Outcome(unit="kills"), random.Random(seed)
    points = ground.points(reads=False)
    outcome.notes["write points"] = len(points)
    for morning, at in _part(points, count, seed):
        tell(outcome.cases, count)
        folder = ground.folder(morning)
        end = in_child(lambda: _killed(ground, folder, at, morning))  # noqa: B023
        outcome.cases += 1
        what = f"at write {at} of {STEPS[morning.step][0]!r}"
        if end != SIGKILLED:
            outcome.fail(f"{what}: the child ended with {end}")
        elif wrong := ground.finish(folder, morning.done_before()):
            outcome.fail(f"killed {what}: {wrong}")
    outcome.notes["points covered"] = outcome.cases
    while outcome.cases < count:
        tell(outcome.cases, count)
        _killed_again_and_again(ground, rng, outcome)
    return outcome


def _part(points: list[tuple[Morning, int]], count: int, seed: int) -> list[tuple[Morning, int]]:
    """Return the calls of this part of the whole, in an order that is the same for all parts."""
    order = random.Random(0).sample(points, len(points))
    return order[(seed - 1) * count : seed * count]


def _killed(ground: Ground, folder: Path, at: int, morning: Morning) -> int:
    ground.disk.arm(folder, KILL, at)
    Office(folder).work(morning.step, morning.step + 1)
    return 0


def _killed_again_and_again(ground: Ground, rng: random.Random, outcome: Outcome) -> None:
    """Kill whoever goes on, until the last step is done; who is killed had said what was done."""
    folder, ends, done = ground.folder(), [], mmap.mmap(-1, 1)  # shared with the children

    def go_on(at: int) -> int:
        ground.disk.arm(folder, KILL, at)
        Office(folder).work(done[0], told=lambda _: done.__setitem__(0, done[0] + 1))
        return 0

    while len(ends) < MOST and (not ends or ends[-1] == SIGKILLED):
        at = 1 + int(rng.expovariate(1 / APART))
        ends.append(in_child(lambda: go_on(at)))  # noqa: B023
    outcome.cases += ends.count(SIGKILLED)
    outcome.note("offices killed again and again")
    if ends[-1] != 0:
        outcome.fail(f"an office killed {len(ends)} times ended with {ends[-1]}")
    elif wrong := ground.finish(folder, [name for name, _, _ in STEPS]):
        outcome.fail(f"an office killed {len(ends) - 1} times: {wrong}")


def faults(count: int, seed: int, tell: Tell) -> Outcome:
    """Let the k-th call fail, reads too, once or for ever; then many calls of one office."""
    ground, outcome, rng = Ground(), Outcome(unit="failed calls"), random.Random(seed)
    points = ground.points(reads=True)
    outcome.notes["calls"] = len(points)
    for morning, at in _part(points, count, seed):
        tell(outcome.cases, count)
        how, error = rng.choice((FAIL_ONCE, FAIL_EVER)), rng.choice(ERRORS)
        folder = ground.folder(morning)
        end = in_child(lambda: _faulty(ground, folder, at, (how, error), morning))  # noqa: B023
        outcome.cases += 1
        what = f"{'call' if how == FAIL_ONCE else 'every call from'} {at} of "
        what += f"{STEPS[morning.step][0]!r} ({os.strerror(error)})"
        if end == NAMED:
            outcome.note("ended in a named error")
        if end not in {0, NAMED}:
            outcome.fail(f"{what}: the child ended with {end}, not with a named error")
        elif wrong := ground.finish(folder, morning.done_before(), morning.step + 2):
            outcome.fail(f"{what}: {wrong}")
    outcome.notes["points covered"] = outcome.cases
    while outcome.cases < count:
        tell(outcome.cases, count)
        _faulty_again_and_again(ground, rng, outcome)
    return outcome


def _faulty(
    ground: Ground, folder: Path, at: int, how: tuple[int, int], morning: Morning | None = None
) -> int:
    """Work on a failing disk; return 0 when it is done, or how it was refused."""
    mode, error = how
    ground.disk.arm(folder, mode, at, error=error, reads=1)
    try:
        office = Office(folder)
        if morning is None:
            office.work()
        else:
            office.work(morning.step, morning.step + 1)
    except PipelineError as refusal:
        ground.disk.disarm()
        return NAMED if str(refusal).isprintable() and refusal.code != "error" else UNNAMED
    except Exception:  # noqa: BLE001  shown, and counted as a failure
        ground.disk.disarm()
        traceback.print_exc()
        return UNNAMED
    done = ground.disk.calls()
    ground.disk.disarm()
    return 0 if done < at or morning is not None else SURVIVED


SURVIVED = 12  # a call failed, and nothing came of it
TIRED = 13  # so many tries were not enough; a disk that works again must do


def _faulty_again_and_again(ground: Ground, rng: random.Random, outcome: Outcome) -> None:
    """Let one process try until it is through; a call of each try fails, once or for ever."""
    folder, dice = ground.folder(), random.Random(rng.random())
    tries = ground.root / "tries"

    def work() -> int:
        for number in range(MOST):
            at = 1 + int(dice.expovariate(1 / (2 * APART)))
            how = dice.choice((FAIL_ONCE, FAIL_EVER)), dice.choice(ERRORS)
            end = _faulty(ground, folder, at, how)
            tries.write_text(str(number + (end != 0)), encoding="utf-8")
            if end not in {NAMED, SURVIVED}:
                return end
            if end == SURVIVED:
                return 0
        return TIRED

    end = in_child(work)
    failed = int(tries.read_text(encoding="utf-8"))
    outcome.cases += failed
    outcome.note("offices that failed again and again")
    if end == TIRED:
        outcome.note("tries that were not enough")
    told = [name for name, _, _ in STEPS] if end == 0 else []
    if end not in {0, TIRED}:
        outcome.fail(f"an office whose calls failed {failed} times ended with {end}")
    elif wrong := ground.finish(folder, told):
        outcome.fail(f"an office whose calls failed {failed} times: {wrong}")


def powercuts(count: int, seed: int, tell: Tell) -> Outcome:
    """Cut the power at a random call and keep only what a disk must have kept by then."""
    ground, outcome = Ground(), Outcome(unit="power cuts")
    folder = ground.folder()
    recording = _recorded(ground, folder)
    outcome.notes["calls recorded"] = len(recording.calls)
    rng = random.Random(seed)
    for case in range(count):
        tell(case, count)
        at = rng.randrange(1, len(recording.calls) + 1)
        folder = ground.folder()
        told = after_cut(recording, at, folder, rng)
        outcome.cases += 1
        until = len(STEPS) if case % 4 == 0 else len(told) + 2
        if wrong := ground.finish(folder, told, until):
            outcome.fail(f"power cut after call {at} (case {case}): {wrong}")
    return outcome


def _recorded(ground: Ground, folder: Path) -> Recording:
    path = ground.root / "calls.log"

    def work() -> int:
        with path.open("wb") as log:
            office = Office(folder)
            ground.disk.arm(folder, COUNT, log=log.fileno())
            office.work(told=ground.disk.mark)
            ground.disk.disarm()
        return 0

    assert in_child(work) == 0
    return Recording.read(path, folder)
