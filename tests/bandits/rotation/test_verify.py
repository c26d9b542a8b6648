"""What is decided obeys its rules, as an independent check says; what does not, is found."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.bandits.rotation.learn import Learned
from pipeline.bandits.rotation.rotate import Standing, rotate_audience
from pipeline.bandits.rotation.shares import whole_shares
from pipeline.bandits.rotation.verify import rotation_breaches
from pipeline.core.decision import DecisionLine, DecisionPlan
from pipeline.core.plan import Kind, Mode
from pipeline.core.rotation_rules import CreativeRule, Disclosure, RotationRules

DAY = date(2026, 11, 22)
NAMES = ("a", "b", "c", "d", "e")


def learned(rng: np.random.Generator, n: int) -> Learned:
    return Learned(
        log_rate=rng.normal(-4, 0.3, (1, n)),
        sd=rng.uniform(0.02, 0.3, (1, n)),
        level=np.array([-4.0]),
        spread=0.26,
        wear=-0.05,
        wear_sd=0.05,
        evidence=rng.choice([0.0, 100.0, 50_000.0], (1, n)),
        known_after=np.array([1_000.0]),
    )


def plan_of(rows: list[tuple[str, float, str]]) -> DecisionPlan:
    return DecisionPlan(
        plan_id="rotation-2026-11-22-00000000",
        portfolio="acme",
        date=DAY,
        kind=Kind.ROTATION,
        currency="EUR",
        unit="share",
        digits=4,
        line_columns=("audience", "creative"),
        group_columns=1,
        mode=Mode.OPTIMISED,
        lines=tuple(
            DecisionLine(
                line={"audience": "young", "creative": name},
                current=0.0,
                proposed=share,
                action=action,
            )
            for name, share, action in rows
        ),
        rules_version="v",
    )


creative_rules = st.builds(
    CreativeRule,
    creative=st.sampled_from(NAMES),
    only_in=st.sampled_from([(), ("young",), ("old",)]),
    starts=st.sampled_from([None, date(2026, 11, 23)]),
    expires=st.sampled_from([None, date(2026, 11, 24)]),
    disclosures=st.sampled_from([(), ("ad",)]),
)
rules = st.builds(
    RotationRules,
    uniform=st.floats(0, 0.5),
    max_share=st.floats(0.2, 1),
    max_daily_change=st.floats(0.01, 1),
    creatives=st.lists(creative_rules, unique_by=lambda rule: rule.creative, max_size=4).map(tuple),
    apart=st.sampled_from([(), (("a", "b"),), (("a", "b"), ("b", "c", "d"))]),
    disclosures=st.sampled_from([(), (Disclosure(audiences=("young",), needs=("ad",)),)]),
)


@settings(max_examples=150, deadline=None)
@given(settings_=rules, seed=st.integers(0, 10_000), n=st.integers(1, 5))
def test_every_split_passes_the_independent_check(
    settings_: RotationRules, seed: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    held = rng.dirichlet(np.ones(n)) * (rng.random(n) < 0.8)
    standing = {
        name: Standing(
            share=float(held[i]),
            nights_losing=int(rng.integers(0, 4)),
            is_retired=bool(rng.random() < 0.1),
        )
        for i, name in enumerate(NAMES[:n])
    }
    split = rotate_audience("young", NAMES[:n], learned(rng, n), 0, standing, settings_, DAY)
    rows = [(item.creative, item.share, item.action) for item in split.shares]
    problems = rotation_breaches(plan_of(rows), settings_)
    assert problems == (("it has no creative at all",) if not rows else ())
    assert {item.creative for item in split.shares} >= {
        name for name, has in standing.items() if has.share > 0
    }
    assert 0 <= split.new_beats_best <= 1


@pytest.mark.parametrize("n", [6, 7, 13])
def test_more_creatives_than_the_largest_share_allows_are_shown_evenly(n: int) -> None:
    names, limits = tuple(f"c{i:02d}" for i in range(n)), RotationRules(max_share=0.9 / n)
    even = whole_shares(np.full(n, 1 / n), np.ones(n), 10_000).tolist()
    standing = {name: Standing(share=share) for name, share in zip(names, even, strict=True)}
    split = rotate_audience(
        "young", names, learned(np.random.default_rng(1), n), 0, standing, limits, DAY
    )
    assert [item.share for item in split.shares] == pytest.approx([1 / n] * n, abs=1e-4)
    rows = [(item.creative, item.share, item.action) for item in split.shares]
    assert rotation_breaches(plan_of(rows), limits) == ()


@pytest.mark.parametrize(
    ("rows", "changes", "words"),
    [
        ([("a", 0.5, ""), ("b", 0.4, "")], {}, "add up to 0.9"),
        ([("a", 1.0, ""), ("a", 0.0, "")], {}, "given twice"),
        ([("a", 0.9, ""), ("b", 0.1, "")], {"max_share": 0.6}, "at most 0.6"),
        ([("a", 0.5, ""), ("b", 0.5, "")], {"apart": (("a", "b"),)}, "not be shown together"),
        ([("a", 1.0, "retire")], {}, "to be retired"),
        ([("a", 1.0, "")], {"creatives": ({"creative": "a", "not_in": ["young"]},)}, "eligible"),
        ([("a", 1.0, "")], {"creatives": ({"creative": "a", "expires": "2026-11-21"},)}, "expired"),
        ([("a", 1.0, "")], {"creatives": ({"creative": "a", "starts": "2026-11-23"},)}, "starts"),
        (
            [("a", 1.0, "")],
            {"disclosures": ({"audiences": ["young"], "needs": ["ad"]},)},
            "does not say ad",
        ),
    ],
)
def test_each_broken_rule_is_found(
    rows: list[tuple[str, float, str]], changes: dict[str, Any], words: str
) -> None:
    broken = rotation_breaches(plan_of(rows), RotationRules.model_validate(changes))
    assert len(broken) == 1
    assert words in broken[0]


def test_a_plan_without_any_creative_is_a_breach() -> None:
    assert rotation_breaches(plan_of([]), RotationRules()) == ("it has no creative at all",)


def test_of_a_group_that_is_kept_apart_the_better_one_stays() -> None:
    known = learned(np.random.default_rng(0), 2)
    better = NAMES[int(known.log_rate[0].argmax())]
    settings_ = RotationRules(apart=(("a", "b"),))
    split = rotate_audience("young", ("a", "b"), known, 0, {}, settings_, DAY)
    assert {item.creative: item.share for item in split.shares} == {better: 1.0}
