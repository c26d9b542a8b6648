"""A server on this machine that answers as a platform does, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.loopback import Answer, Asked, serve


class Platform:
    """Gives the answers in the order they were queued; the last one for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.answers: list[Answer] = []

    def says(self, said: Any, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(Answer(said, status, named))

    def take(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def platform() -> Iterator[Platform]:
    served = Platform()

    def answer(asked: Asked) -> Answer:
        served.asked.append(asked)
        return served.take()

    with serve(answer) as served.url:
        yield served
