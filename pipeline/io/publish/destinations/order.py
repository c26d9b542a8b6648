"""What a destination is asked to do, and the one shape that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.core.types import Line
from pipeline.io.publish.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One line's signed budget on its way.

    Attributes:
        position: of the line in its plan.
        amount: per day, whole minor units of the plan's currency.
        before: what the plan took as set when it was made, same unit.
    """

    position: int
    line: Line
    target: Target
    amount: int
    before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is set for one line; `why` says why it cannot be set there, empty when it can.

    `amount` is None where nothing is set yet or the destination cannot say.
    """

    amount: int | None = None
    why: str = ""


class Destination(Protocol):
    """A place where budgets are set. Absolute amounts only, so that sending twice is harmless.

    Attributes:
        label: what people are told.
        batch: how many orders go into one `send`.
        rehearses: whether `send` with `dry_run` asks the place without changing anything.
        restores: whether what was delivered can get lost there, and is then made again.
    """

    label: str
    batch: int
    rehearses: bool
    restores: bool

    def look(self, orders: Sequence[Order]) -> Mapping[int, Seen]:
        """Return what is set for each order's position, read anew.

        Raises:
            StorageError: it cannot be read.
        """
        ...

    def send(self, orders: Sequence[Order], *, dry_run: bool) -> Mapping[int, str]:
        """Set the amounts, and return why the place refuses some, by position.

        What passes by waiting is waited out or left unset; reading back tells.

        Raises:
            StorageError: it cannot be reached, or refuses everything.
        """
        ...
