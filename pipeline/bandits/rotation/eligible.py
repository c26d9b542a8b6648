"""Which creatives the brand allows where tomorrow, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from pipeline.core.rotation_rules import CreativeRule, RotationRules


def refusals(
    rules: RotationRules,
    audience: str,
    creatives: Sequence[str],
    day: date,
    retired: Collection[str] = (),
) -> dict[str, str]:
    """Return creative -> why it must not be shown to the audience on the day."""
    known = {rule.creative: rule for rule in rules.creatives}
    out = {}
    for creative in creatives:
        rule = known.get(creative, CreativeRule(creative=creative))
        why = _refusal(rules, rule, audience, day)
        if not why and creative in retired and creative not in rules.revive:
            why = "retired earlier"
        if why:
            out[creative] = why
    return out


def keep_apart(
    rules: RotationRules, creatives: Sequence[str], best: Mapping[str, float]
) -> dict[str, str]:
    """Return creative -> why not, so that of each group that is kept apart one stays.

    The one most probably best stays; of equals the first by name.
    """
    out: dict[str, str] = {}
    for group in rules.apart:
        present = [name for name in creatives if name in group and name not in out]
        if len(present) < 2:
            continue
        stays = min(present, key=lambda name: (-best[name], name))
        out |= {name: f"never together with {stays}" for name in present if name != stays}
    return out


def _refusal(rules: RotationRules, rule: CreativeRule, audience: str, day: date) -> str:
    if rule.only_in and audience not in rule.only_in:
        return "not eligible here"
    if audience in rule.not_in:
        return "not eligible here"
    if rule.starts is not None and day < rule.starts:
        return f"starts on {rule.starts.isoformat()}"
    if rule.expires is not None and day > rule.expires:
        return f"expired on {rule.expires.isoformat()}"
    needed = {
        what for item in rules.disclosures if audience in item.audiences for what in item.needs
    }
    if missing := sorted(needed - set(rule.disclosures)):
        return f"does not say {', '.join(missing)}"
    return ""
