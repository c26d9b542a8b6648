"""The fit in shards: lines' evidence on several machines, everything that lines share on one.

Demand, pooling and every sweep's shared numbers need all lines at once; each line's evidence on the
full grid needs that line alone and takes most of the time. So a scheduler runs `split`, which fits
until that evidence is wanted and leaves it as jobs; `learn` for each shard, anywhere; and then
`fit`, which finds what the shards found. Shards are whole blocks of lines, the
same that one process goes through, so the bytes are the same as those of one process.

Lines so many that they are fitted in segments need none of that: a shard is then a segment's whole
fit, and the fit gathers what the shards found.

A shard that never answers costs its lines, not the night: they are held, and a finding says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import DataNotTrustedError, NotFoundError
from pipeline.io.artefacts import RunFolder, begin_run, resume_run, sha256
from pipeline.runs import night, storage
from pipeline.runs.course import SHARDS, open_night
from pipeline.runs.inputs import read_inputs
from pipeline.runs.part_files import packed, part_bytes, part_of, unpacked
from pipeline.runs.portfolio import Portfolio, open_portfolio

if TYPE_CHECKING:
    from pipeline.response.blocks import BlockEvidence, BlockJob
    from pipeline.runs.fitting import Fit, Part

_COUNT = "lines.json"
_JOB = ("freed", "variance", "spend", "reference", "level", "common", "drift_prior", "steps")
_FOUND = ("log_likelihood", "level_mean", "level_sd", "drift")


class _EnoughError(Exception):
    """The jobs are written."""


def split(folder: str | Path, token: str) -> list[int]:
    """Fit until shards are wanted, leave their jobs, and return their numbers; few lines: none."""
    portfolio = open_portfolio(folder)
    work = open_night(portfolio, token)
    rules = portfolio.policy.shards
    if work.is_complete or rules is None or not night.is_trusted(work):
        return []
    facts = storage.read_facts(work, read_inputs(work))
    if len(facts.history.lines) <= rules.above or facts.history.measured is not None:
        return []
    from pipeline.response.segments import segments_of
    from pipeline.runs.fitting import fits_of, fitted_metrics

    bench = begin_run(portfolio.runs, token + SHARDS)
    count, segments = len(facts.history.lines), len(segments_of(facts.history))
    if segments > 1:
        bench.write_json(_COUNT, {"lines": count, "segments": segments})
        return list(range(segments))
    numbers: set[int] = set()
    for metric in fitted_metrics(facts):
        (fit,) = fits_of(facts, metric)
        shared = _Shared(bench, fit.name, int(rules.lines), is_split=True)
        try:
            fit.run(shared)
        except _EnoughError:
            numbers |= set(range(shared.shards))
    bench.write_json(_COUNT, {"lines": count})
    return sorted(numbers)


def learn(folder: str | Path, token: str, shard: int) -> None:
    """Compute one shard's evidence, unless it is known or nobody waits for it any more."""
    from pipeline.response.blocks import run_here
    from pipeline.response.threads import one_thread

    portfolio = open_portfolio(folder)
    try:
        bench = _bench(portfolio, token)
    except NotFoundError:
        return
    if bench.exists(_COUNT) and bench.read_json(_COUNT).get("segments"):
        _learn_segment(portfolio, token, bench, shard)
        return
    for name in bench.names():
        is_ours = name.endswith(f"-{shard}-jobs.npz")
        answer = name.replace("-jobs.", "-found.")
        if is_ours and not bench.exists(answer):
            with one_thread():
                found = list(run_here(_read_jobs(bench, name)))
            bench.write_bytes(answer, _found_bytes(found))


def _learn_segment(portfolio: Portfolio, token: str, bench: RunFolder, segment: int) -> None:
    """Fit one segment's lines, every metric."""
    from pipeline.runs.fitting import fits_of, fitted_metrics

    work = open_night(portfolio, token)
    facts = storage.read_facts(work, read_inputs(work))
    for metric in fitted_metrics(facts):
        fit = next(islice(fits_of(facts, metric), segment, None))
        if not bench.exists(name := _part_name(fit)):
            bench.write_bytes(name, part_bytes(fit.learn()))


def fit(folder: str | Path, token: str, before: object = ()) -> None:
    """Learn the curves with what the shards found, and remove what they left.

    Args:
        before: what the split returned; None says that it failed.

    Raises:
        DataNotTrustedError: the split failed.
    """
    if before is None:
        raise DataNotTrustedError("the fit's shards: the split failed; clear it first")
    portfolio = open_portfolio(folder)
    work = open_night(portfolio, token)
    if work.is_complete:
        return
    try:
        bench = _bench(portfolio, token)
    except NotFoundError:  # a small night, or one that cannot be trusted
        night.fit(work)
        return
    rules = portfolio.policy.shards
    lines = int(rules.lines) if rules is not None else 1
    night.fit(work, lambda fit: _found(bench, fit, lines))
    bench.discard()


def _found(bench: RunFolder, fit: Fit, lines: int) -> Part:
    """Return what shards found of a fit; one that never answered is given up."""
    from pipeline.response.blocks import nothing_known

    if fit.segment is None:
        return fit.learn(_Shared(bench, fit.name, lines, is_split=False))
    if not bench.exists(name := _part_name(fit)):
        return fit.learn(lambda jobs: map(nothing_known, jobs))
    return part_of(fit, bench.read_bytes(name), name)


def _part_name(fit: Fit) -> str:
    return f"{_key(fit.name)}-part.npz"


def _key(name: str) -> str:
    """Return what files of a fit begin with: any name may be a metric's, not a file's."""
    return sha256(name.encode())[:12]


def _bench(portfolio: Portfolio, token: str) -> RunFolder:
    return resume_run(portfolio.runs, token + SHARDS)


class _Shared:
    """Runs blocks from what is stored: the coarse ones here, the full ones by shards.

    Args:
        lines: of a shard, at most, but a block at least.
        is_split: whether the shards' jobs are to be left, rather than their answers found.
    """

    def __init__(self, bench: RunFolder, fit: str, lines: int, *, is_split: bool) -> None:
        self.bench, self.is_split = bench, is_split
        self.fit = _key(fit)
        self.lines = lines
        self.shards = 0
        self.coarse = 0

    def __call__(self, jobs: Iterable[BlockJob]) -> Iterable[BlockEvidence]:
        """Return what the jobs' lines show.

        Raises:
            _EnoughError: these are for the shards; they are written.
        """
        jobs = list(jobs)
        if not jobs[0].is_full:
            return self._coarse(jobs)
        groups = _groups(jobs, self.lines)
        if self.is_split:
            self.shards = len(groups)
            for shard, group in enumerate(groups):
                self.bench.write_bytes(f"{self.fit}-{shard}-jobs.npz", _job_bytes(group))
            raise _EnoughError
        return [found for shard, group in enumerate(groups) for found in self._full(shard, group)]

    def _coarse(self, jobs: Sequence[BlockJob]) -> Sequence[BlockEvidence]:
        """Return a coarse sweep, which the split keeps for the fit."""
        from pipeline.response.blocks import run_here

        name = f"{self.fit}-coarse-{self.coarse}.npz"
        self.coarse += 1
        if self.bench.exists(name):
            return _read_found(self.bench, name)
        found = list(run_here(jobs))
        self.bench.write_bytes(name, _found_bytes(found))
        return found

    def _full(self, shard: int, group: Sequence[BlockJob]) -> Sequence[BlockEvidence]:
        """Return what a shard found; one that never answered is given up."""
        from pipeline.response.blocks import nothing_known

        name = f"{self.fit}-{shard}-found.npz"
        if not self.bench.exists(name):
            return [nothing_known(job) for job in group]
        return _read_found(self.bench, name)


def _groups(jobs: Sequence[BlockJob], lines: int) -> list[Sequence[BlockJob]]:
    """Return the jobs in shards of at most so many lines, a block at least."""
    size = max(lines // jobs[0].level.size, 1)
    return [jobs[start : start + size] for start in range(0, len(jobs), size)]


def _job_bytes(jobs: Sequence[BlockJob]) -> bytes:
    return packed(
        {f"{i}.{name}": getattr(job, name) for i, job in enumerate(jobs) for name in _JOB}
    )


def _read_jobs(bench: RunFolder, name: str) -> list[BlockJob]:
    from pipeline.response.blocks import BlockJob

    arrays = unpacked(bench.read_bytes(name), name)
    return [
        BlockJob(is_full=True, **{key: arrays[f"{i}.{key}"] for key in _JOB})
        for i in range(len(arrays) // len(_JOB))
    ]


def _found_bytes(found: Sequence[BlockEvidence]) -> bytes:
    arrays: dict[str, Any] = {f"{i}.lost": item.lost for i, item in enumerate(found)}
    arrays |= {
        f"{i}.{name}": getattr(item.evidence, name)
        for i, item in enumerate(found)
        for name in _FOUND
    }
    return packed(arrays)


def _read_found(bench: RunFolder, name: str) -> list[BlockEvidence]:
    from pipeline.response.blocks import BlockEvidence
    from pipeline.response.evidence import Evidence

    arrays = unpacked(bench.read_bytes(name), name)
    return [
        BlockEvidence(
            evidence=Evidence(**{key: arrays[f"{i}.{key}"] for key in _FOUND}),
            lost=arrays[f"{i}.lost"].astype(bool),
        )
        for i in range(len(arrays) // (len(_FOUND) + 1))
    ]
