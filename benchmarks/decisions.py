"""How the decisions other than the budget fare in markets whose truth is known, as tables."""

from __future__ import annotations

from collections.abc import Sequence

SEEDS = range(2000, 2020)
OFFER_SEEDS = range(3)


def rotation_table(seeds: Sequence[int] = SEEDS) -> str:
    """Return what each policy captured in every market of creatives, as Markdown."""
    from pipeline.simulation.creatives import KINDS
    from pipeline.simulation.rotation_scores import POLICIES, score_kind

    names = [name for name in POLICIES if name != "even split"]
    rows, out = [], [0, 0, 0]
    for kind in KINDS:
        scores = {score.policy: score for score in score_kind(kind, seeds, names)}
        rows.append(
            [kind, *(f"{scores[name].captured:.2f}, {scores[name].lift:+.1%}" for name in names)]
        )
        ours = scores["ours"]
        taken = (ours.retired, ours.best_retired, ours.nearly_best_retired)
        out = [total + part for total, part in zip(out, taken, strict=True)]
    return (
        f"Captured, and earned over an even split; seeds {seeds[0]} to {seeds[-1]}:\n\n"
        + table(["market", *names], rows)
        + f"\n\nIn these runs ours took out {out[0]} creatives; {out[1]} were the best at that "
        f"moment and {out[2]} within 10 % of it."
    )


def offers_table(seeds: Sequence[int] = OFFER_SEEDS) -> str:
    """Return what each policy captured in every market of offers, as Markdown."""
    from pipeline.simulation.offers import KINDS, LEARNERS, score_offers

    names = [name for name in LEARNERS if name != "even split"]
    rows = []
    for kind in KINDS:
        scores = score_offers(kind, seeds, names)
        cells = [f"{s.captured:.2f}, {s.worse:.0%}, {s.personal:.0%}" for s in scores]
        rows.append([kind, *cells])
    return (
        f"Captured, changes that were truly for the worse, and markets that ended with segments "
        f"treated differently; seeds {seeds[0]} to {seeds[-1]}, eight weeks each:\n\n"
        + table(["market", *names], rows)
    )


LOOKED: dict[str, tuple[int, int]] = {
    "nothing matters": (300, 30),
    "one answer for all": (60, 20),
    "segments differ": (25, 12),
    "little traffic": (40, 0),
}
"""Markets whose nights look weekly, and markets whose nights look every night."""


def looks_table() -> str:
    """Return what sixty nights propose, looking weekly or every night, as Markdown."""
    from pipeline.simulation.offer_looks import Looked, look_again

    def cells(found: Looked | None) -> str:
        if found is None:
            return " |  | "
        night = f"{found.night:.0f}" if found.found else ""
        return f"{found.erred:.1%} of {found.markets} | {found.found:.0%} | {night}"

    rows = []
    for kind, (weekly, nightly) in LOOKED.items():
        shared = look_again(kind, range(weekly))
        whole = look_again(kind, range(nightly), every=1, looks=1) if nightly else None
        rows.append(f"| {kind} | {cells(shared)} | {cells(whole)} |")
    return "\n".join(
        [
            "Sixty nights, nothing signed: markets in which any night proposed what earns nothing, "
            "in which one proposed a true gain, and the median night of that.",
            "",
            "| market | weekly looks, one error: erred | found | night "
            "| every night, an error each: erred | found | night |",
            "|---" * 7 + "|",
            *rows,
        ]
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
