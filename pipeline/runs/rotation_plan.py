"""Tonight's rotation as the plan that people sign: learn, split, and say why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.bandits.rotation.learn import Learned, learn
from pipeline.bandits.rotation.ratio import BROKEN, sample_ratio_p
from pipeline.bandits.rotation.rotate import AudienceSplit, Standing, rotate_audience
from pipeline.bandits.rotation.shares import UNITS, whole_shares
from pipeline.core.decision import DecisionLine, DecisionPlan, without_small_figures
from pipeline.core.exposures import Exposures
from pipeline.core.findings import Finding, Level, worst_level
from pipeline.core.plan import Expected, Interval, Kind, Mode, ModelHealth, Uplift
from pipeline.core.rotation_rules import RotationRules
from pipeline.io.artefacts import RunFolder
from pipeline.io.exposures import people_shown, read_exposures
from pipeline.runs.decision_inputs import DecisionInputs, read_decision_inputs
from pipeline.runs.inputs import inputs_hash
from pipeline.runs.rotation_guards import guardrails_of
from pipeline.runs.rotation_look_back import looked_back

TRAFFIC_DAYS = 7
DELIVERED_APART = 0.1  # of the exposure went elsewhere than was signed
_Z90 = 1.6448536269514722


def rotation_plan(work: RunFolder, plan_id: str, findings: Sequence[Finding]) -> DecisionPlan:
    """Return the plan of the night in a work folder."""
    inputs = read_decision_inputs(work)
    rules = inputs.policy.rotation
    assert rules is not None  # noqa: S101  a night of rotation has its section
    listed = [rule.creative for rule in rules.creatives]
    seen = read_exposures(work, inputs.policy, inputs.day, listed)
    learned = learn(seen, half_life_days=rules.half_life_days, delay_days=rules.delay_days)
    standing = _standing(inputs, seen)
    splits = [
        rotate_audience(
            audience, seen.creatives, learned, place, standing[audience], rules, inputs.day
        )
        for place, audience in enumerate(seen.audiences)
    ]
    traffic = seen.shown[-TRAFFIC_DAYS:].sum(axis=(0, 2)) / min(TRAFFIC_DAYS, len(seen.days))
    expected, now, uplift = _totals(splits, traffic, rules.reward)
    least = inputs.policy.privacy.min_group
    whole = [line for split in splits for line in _lines(split, learned, seen)]
    sizes = _sizes(whole, people_shown(work))
    lines = [
        line if size >= least else without_small_figures(line, least)
        for line, size in zip(whole, sizes, strict=True)
    ]
    is_new = any(line.proposed != line.current for line in lines)
    return DecisionPlan(
        plan_id=plan_id,
        portfolio=inputs.policy.portfolio,
        date=inputs.day,
        kind=Kind.ROTATION,
        currency=inputs.policy.currency,
        unit="share",
        digits=4,
        line_columns=("audience", "creative"),
        group_columns=1,
        mode=Mode.OPTIMISED if is_new else Mode.HOLD,
        reasons=_reasons(splits, whole, sizes, least),
        expected=expected,
        status_quo=now,
        uplift=uplift if is_new else None,
        lines=tuple(lines),
        guardrails=guardrails_of(splits, rules),
        findings=(*findings, *_advice(splits, inputs, seen)),
        model_health=_health(learned, rules, looked_back(work, inputs, seen)),
        terms=_terms(rules),
        rules_version=inputs.rules_version,
        inputs_hash=inputs_hash(work),
        based_on="" if inputs.published is None else inputs.published.plan_id,
    )


def _sizes(lines: Sequence[DecisionLine], people: Mapping[tuple[str, str], float]) -> list[float]:
    """Return the size of each line's group: people who saw it, exposures where nobody is named."""
    shown = [line.figures["impressions"] for line in lines]
    if not people:
        return shown
    keys = [(line.line["audience"], line.line["creative"]) for line in lines]
    return [min(size, people.get(key, 0.0)) for size, key in zip(shown, keys, strict=True)]


def _reasons(
    splits: Sequence[AudienceSplit],
    lines: Sequence[DecisionLine],
    sizes: Sequence[float],
    least: float,
) -> tuple[str, ...]:
    """Return what is said of each audience; of a small group no chance is told."""
    shown: dict[str, float] = {}
    for line, size in zip(lines, sizes, strict=True):
        audience = line.line["audience"]
        shown[audience] = shown.get(audience, 0.0) + size
    return tuple(
        f"{split.audience}: {note}"
        for split in splits
        if shown.get(split.audience, 0.0) >= least
        for note in split.notes
    )


def _standing(inputs: DecisionInputs, seen: Exposures) -> dict[str, dict[str, Standing]]:
    """Return audience -> creative -> what it has now.

    In force is what was signed last; before that, how exposure fell on the newest day with any.
    Nights of losing are counted over proposed plans, signed or not.
    """
    out: dict[str, dict[str, Standing]] = {name: {} for name in seen.audiences}
    losing = _figures(inputs.previous)
    in_force, before = inputs.published, inputs.previous
    since = [before is None or day >= before.date for day in seen.days]
    for a, audience in enumerate(seen.audiences):
        signed = _lines_of(in_force, audience)
        anew = dict(zip(seen.creatives, seen.shown[since, a].sum(axis=0) > 0, strict=True))
        shares = {name: line.proposed for name, line in signed.items()}
        if not any(shares.values()):
            shares = _delivered(seen, a)
        for creative in {*shares, *signed}:
            line = signed.get(creative)
            out[audience][creative] = Standing(
                share=shares.get(creative, 0.0),
                nights_losing=int(losing.get((audience, creative), 0)),
                is_retired=line is not None and line.action in {"retire", "retired"},
                is_shown_since=bool(anew.get(creative, False)),
            )
    return out


def _lines_of(plan: DecisionPlan | None, audience: str) -> dict[str, DecisionLine]:
    lines = () if plan is None else plan.lines
    return {line.line["creative"]: line for line in lines if line.line["audience"] == audience}


def _figures(plan: DecisionPlan | None) -> Mapping[tuple[str, str], float]:
    lines = () if plan is None else plan.lines
    return {
        (line.line["audience"], line.line["creative"]): line.figures.get("nights_losing", 0.0)
        for line in lines
    }


def _delivered(seen: Exposures, audience: int) -> dict[str, float]:
    """Return how the newest day with exposure was split, in whole units that add up to 1."""
    shown = seen.shown[:, audience]
    with_any = np.flatnonzero(shown.sum(axis=1))
    if not with_any.size:
        return {}
    newest = shown[with_any[-1]]
    shares = whole_shares(newest / newest.sum(), np.ones(newest.size), UNITS)
    return {name: float(shares[c]) for c, name in enumerate(seen.creatives) if shares[c] > 0}


def _lines(split: AudienceSplit, learned: Learned, seen: Exposures) -> list[DecisionLine]:
    place = seen.audiences.index(split.audience)
    return [
        DecisionLine(
            line={"audience": split.audience, "creative": item.creative},
            current=round(item.current, 4),
            proposed=item.share,
            expected=Interval(mean=item.rate, p05=item.rate_p05, p95=item.rate_p95),
            binding=item.binding,
            action=item.action,
            reason=item.reason,
            figures={
                "probability_best": round(item.best, 6),
                "probability_nearly_best": round(item.nearly_best, 6),
                "nights_losing": float(item.nights_losing),
                "impressions": float(
                    seen.shown[:, place, seen.creatives.index(item.creative)].sum()
                ),
                "new_beats_best": round(split.new_beats_best, 6),
            },
        )
        for item in split.shares
    ]


def _totals(
    splits: Sequence[AudienceSplit], traffic: np.ndarray, metric: str
) -> tuple[Expected, Interval, Uplift]:
    """Return expected rewards a day as planned and in force, and the difference."""
    now = float(sum(t * split.now for t, split in zip(traffic, splits, strict=True)))
    parts: dict[str, tuple[float, float]] = {}
    for name in ("then", "gain"):
        pairs = [getattr(split, name) for split in splits]
        mean = float(sum(t * pair[0] for t, pair in zip(traffic, pairs, strict=True)))
        variance = sum((t * pair[1]) ** 2 for t, pair in zip(traffic, pairs, strict=True))
        parts[name] = mean, float(variance) ** 0.5
    then, sd = parts["then"]
    gain, gain_sd = parts["gain"]
    chance = float(_normal(gain / gain_sd)) if gain_sd > 0 else 0.5
    return (
        Expected(metric=metric, mean=then, p05=then - _Z90 * sd, p95=then + _Z90 * sd),
        Interval(mean=now, p05=now - _Z90 * sd, p95=now + _Z90 * sd),
        Uplift(
            mean=gain,
            p05=gain - _Z90 * gain_sd,
            p95=gain + _Z90 * gain_sd,
            probability_positive=chance,
        ),
    )


def _normal(value: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(value))


def _advice(
    splits: Sequence[AudienceSplit], inputs: DecisionInputs, seen: Exposures
) -> list[Finding]:
    """Return what the signer should know besides: new creatives needed, delivery gone astray."""
    found = []
    for split in splits:
        if not split.needs_new:
            continue
        live = sum(item.share > 0 for item in split.shares)
        why = (
            f"{live} may be shown"
            if live < 2
            else f"a new one would beat the best of these {split.new_beats_best:.0%} of the time"
        )
        found.append(
            Finding(
                level=Level.REVIEW,
                check="new-creative-needed",
                message=f"{split.audience}: {why}",
                advice="have a new creative made and list it under rotation.creatives",
                source="exposures",
            )
        )
    return [*found, *_unknown_audiences(inputs, seen), *_astray(inputs, seen)]


def _unknown_audiences(inputs: DecisionInputs, seen: Exposures) -> list[Finding]:
    """Return findings on brand rules for audiences that nobody was shown anything in: typos."""
    rules = inputs.policy.rotation
    return [
        Finding(
            level=Level.REVIEW,
            check="rule-for-unknown-audience",
            message=f"{rule.creative}: its rule names {name!r}, an audience that no exposure has, "
            "so it keeps nothing from being shown",
            advice=f"audiences are {', '.join(seen.audiences)}; correct rotation.creatives",
            source="exposures",
        )
        for rule in (rules.creatives if rules is not None else ())
        for name in (*rule.only_in, *rule.not_in)
        if name not in seen.audiences
    ]


def _astray(inputs: DecisionInputs, seen: Exposures) -> list[Finding]:
    """Return findings where yesterday's exposure did not fall as was signed for yesterday."""
    plan = inputs.published
    if plan is None or plan.date != seen.days[-1]:
        return []
    rules = inputs.policy.rotation
    found = []
    shares: dict[str, dict[str, float]] = defaultdict(dict)
    for line in plan.lines:
        shares[line.line["audience"]][line.line["creative"]] = line.proposed
    for a, audience in enumerate(seen.audiences):
        shown = seen.shown[-1, a]
        signed = np.array([shares[audience].get(name, 0.0) for name in seen.creatives])
        if not shown.sum() or not signed.sum():
            continue
        apart = float(np.abs(shown / shown.sum() - signed).sum() / 2)
        p = sample_ratio_p(shown, signed) if rules is not None and rules.randomised else 1.0
        if apart > DELIVERED_APART or p < BROKEN:
            found.append(
                Finding(
                    level=Level.REVIEW,
                    check="exposure-not-as-signed",
                    message=f"{audience}: {apart:.0%} of yesterday's exposure went elsewhere than "
                    f"was signed{f' (p {p:.1g})' if p < BROKEN else ''}",
                    advice="see whether the platform took over the shares",
                    source="exposures",
                )
            )
    return found


def _terms(rules: RotationRules) -> dict[str, str]:
    """Return what the sending side has to know besides the shares."""
    return {"holdout": f"{rules.holdout:g}", "holdout_split": "even"} if rules.holdout else {}


def _health(learned: Learned, rules: RotationRules, past: Sequence[Finding]) -> ModelHealth:
    wear = f"{learned.wear:+.1%} (sd {learned.wear_sd:.1%})"
    checks = (
        Finding(
            level=Level.PASS,
            check="wear",
            message=f"a creative's rate changes by {wear} each time its exposure doubles",
        ),
        Finding(
            level=Level.PASS,
            check="spread",
            message=f"creatives of an audience differ by {learned.spread:.0%} (sd of their rates)",
        ),
        Finding(
            level=Level.PASS,
            check="retirement",
            message=f"a creative is retired after {rules.retire.nights} nights on which it is the "
            f"best with a probability under {rules.retire.error:.1%}",
        ),
    )
    return ModelHealth(level=worst_level(past), checks=(*checks, *past))
