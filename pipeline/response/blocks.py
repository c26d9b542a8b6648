"""Evidence on lines, a block at a time: what may be computed anywhere, and by whom it is run.

A block's job holds everything that its lines' evidence rests on, so blocks do not know of each
other, and whoever runs them, in whatever order or process, finds the same numbers. A line that
breaks its block is learned nothing from: it gets the evidence of no data at all, and is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import BoolArray, FloatArray, Line, SingleArray, line_label
from pipeline.response.curves import write_features
from pipeline.response.evidence import LEVEL_SD, Evidence, evaluate
from pipeline.response.grid import COARSE, FULL, Grid
from pipeline.response.scratch import Scratch

BLOCK_LINES, COARSE_LINES = 120, 240
"""Lines of a block, whose responses and sums stay in the processor's cache, on either grid. Rows of
64 numbers would all fall into the same few sets of it, and turning tables would take eight times as
long."""

SCALE_DOF = 30.0
LOST = "line-not-learned"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockJob:
    """One block of lines whose evidence is wanted, on the coarse or on the full grid.

    Attributes:
        freed, variance: (n_days, n_lines), as `evaluate` takes them.
        spend: (n_days, n_lines).
        reference, level: (n_lines,).
        common: (n_nuisances, n_days, n_lines).
        drift_prior: (n_lines, n_drifts).
        steps: (n_days, n_lines), as `evaluate` takes them.
    """

    is_full: bool
    freed: SingleArray
    variance: SingleArray
    spend: FloatArray
    reference: FloatArray
    level: FloatArray
    common: SingleArray
    drift_prior: FloatArray
    steps: SingleArray

    @property
    def grid(self) -> Grid:
        """The grid that is wanted."""
        return FULL if self.is_full else COARSE

    def line(self, index: int) -> BlockJob:
        """Return the job of one of its lines alone."""
        one = slice(index, index + 1)
        return replace(
            self,
            freed=self.freed[:, one],
            variance=self.variance[:, one],
            spend=self.spend[:, one],
            reference=self.reference[one],
            level=self.level[one],
            common=self.common[:, :, one],
            drift_prior=self.drift_prior[one],
            steps=self.steps[:, one],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockEvidence:
    """What a block's lines show; `lost` marks those that nothing could be learned of."""

    evidence: Evidence
    lost: BoolArray


RunBlocks = Callable[[Iterable[BlockJob]], Iterable[BlockEvidence]]
"""Runs jobs somewhere, and returns what each shows in the same order. Jobs are made when they are
asked for, and hold much: who can forgets one before taking the next."""


def run_here(jobs: Iterable[BlockJob]) -> Iterable[BlockEvidence]:
    """Run every job in this process, one after the other."""
    scratch = Scratch()
    return (learn_block(job, scratch) for job in jobs)


def learn_block(job: BlockJob, scratch: Scratch) -> BlockEvidence:
    """Return what a block's lines show; a line that breaks the block is lost, the others not."""
    try:
        return _checked(job, scratch)
    except Exception:  # noqa: BLE001  whatever it was, it is some line's: find which
        lines = (_alone(job.line(index), scratch) for index in range(job.level.size))
        return together(lines, job.grid, job.level.size)


def nothing_known(job: BlockJob) -> BlockEvidence:
    """Return the evidence of no data: every node is as likely, the level is as guessed."""
    n_lines, nodes = job.level.size, job.grid.nodes
    level = np.maximum(np.nan_to_num(job.level, nan=1.0, posinf=1.0), 1e-6).astype(np.float32)
    mean = np.broadcast_to(level[:, None, None, None], (n_lines, *nodes)).copy()
    drift = np.broadcast_to(job.grid.drift_prior, (n_lines, len(job.grid.drift_prior))).copy()
    return BlockEvidence(
        evidence=Evidence(
            log_likelihood=np.zeros((n_lines, *nodes), dtype=np.float32),
            level_mean=mean,
            level_sd=np.float32(LEVEL_SD) * mean,
            drift=drift,
        ),
        lost=np.ones(n_lines, dtype=bool),
    )


REPORT = (
    "the other lines are planned as always; if it stays so, send the run folder to the maintainers"
)


def lost_findings(lines: Sequence[Line], lost: BoolArray, advice: str = REPORT) -> list[Finding]:
    """Return what the signer is told of lines that nothing could be learned of."""
    return [
        Finding(
            level=Level.REVIEW,
            check=LOST,
            message=f"{line_label(lines[index])}: its curve could not be learned tonight; "
            "its budget is held",
            advice=advice,
            line=lines[index],
        )
        for index in np.flatnonzero(lost).tolist()
    ]


def together(parts: Iterable[BlockEvidence], grid: Grid, n_lines: int) -> BlockEvidence:
    """Return the evidence of all parts' lines, in order."""
    log_likelihood, mean, sd = (
        np.empty((n_lines, *grid.nodes), dtype=np.float32) for _ in range(3)
    )
    drift = np.empty((n_lines, len(grid.drift_prior)))
    lost, first = np.empty(n_lines, dtype=bool), 0
    for part in parts:
        rows = slice(first, first + part.lost.size)
        found, first = part.evidence, first + part.lost.size
        log_likelihood[rows], mean[rows] = found.log_likelihood, found.level_mean
        sd[rows], drift[rows], lost[rows] = found.level_sd, found.drift, part.lost
    evidence = Evidence(log_likelihood=log_likelihood, level_mean=mean, level_sd=sd, drift=drift)
    return BlockEvidence(evidence=evidence, lost=lost)


def _alone(job: BlockJob, scratch: Scratch) -> BlockEvidence:
    try:
        return _checked(job, scratch)
    except Exception:  # noqa: BLE001  one line is held, the night goes on
        return nothing_known(job)


def _checked(job: BlockJob, scratch: Scratch) -> BlockEvidence:
    """Return the evidence; numbers that are none raise."""
    grid = job.grid

    def write_responses(out: SingleArray) -> None:
        write_features(job.spend, job.reference, out, grid.retentions, grid.shapes)

    found = evaluate(
        grid,
        job.freed,
        job.variance,
        write_responses,
        job.level,
        job.common,
        job.drift_prior,
        job.steps,
        scale_dof=SCALE_DOF,
        scratch=scratch,
    )
    for name in ("log_likelihood", "level_mean", "level_sd", "drift"):
        if not np.isfinite(getattr(found, name)).all():
            raise FloatingPointError(f"response: {name} of a line is no number")
    return BlockEvidence(evidence=found, lost=np.zeros(job.level.size, dtype=bool))
