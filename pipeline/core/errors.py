"""Every deliberate error: one line a person can act on, a stable code, and an exit code."""

from __future__ import annotations

from typing import ClassVar


class PipelineError(Exception):
    """Base of every deliberate error.

    The message is one line: what, where, got, needed and the next step. `code` is stable, so
    that a scheduler or a test can rely on it; `exit_code` is what the command line returns.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class CheckFailedError(PipelineError):
    """A check was asked and the answer is no."""

    code = "check-failed"
    exit_code = 1


class UsageError(PipelineError):
    """The command was called in a way that cannot be carried out."""

    code = "bad-usage"


class ConfigError(PipelineError):
    """`portfolio.yaml` or a problem file cannot be read or contradicts itself."""

    code = "bad-config"


class InfeasibleError(PipelineError):
    """The limits contradict each other; the message names a smallest contradicting set."""

    code = "infeasible"

    def __init__(self, message: str, *, conflict: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.conflict = conflict


class UndecidedError(PipelineError):
    """The work allowed ended before a plan was found, or proven impossible."""

    code = "undecided"


class NotFoundError(PipelineError):
    """A plan, cap or line was named that does not exist."""

    code = "not-found"


class StorageError(PipelineError):
    """A file or database could not be read or written; nothing was changed."""

    code = "storage"


class DamagedError(PipelineError):
    """Something stored no longer has the bytes it was stored with."""

    code = "damaged"
    exit_code = 1


class DataNotTrustedError(PipelineError):
    """The data cannot be trusted and no approved plan exists to fall back on."""

    code = "data-not-trusted"
    exit_code = 3


class NotAllowedError(PipelineError):
    """The person may not do this: wrong role, own proposal, changed content, expired, decided."""

    code = "not-allowed"
    exit_code = 4
