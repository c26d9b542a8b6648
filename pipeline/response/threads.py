"""Linear algebra on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep linear algebra on one thread, as a context or over a function.

    Sums are then added in one order whatever the number of cores, so the bytes are the same; and
    matrices of a few hundred days are too small to share: their threads would only wait for each
    other, for minutes where other work runs beside them.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield
