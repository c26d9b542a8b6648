"""Settings that are refused say where, what is needed, and what a typo may have meant."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.core.errors import ConfigError
from pipeline.core.policy import parse_policy
from pipeline.core.settings import Strict, whole

PLAIN: dict[str, Any] = {
    "portfolio": "a",
    "currency": "EUR",
    "line": ["channel"],
    "budget": {"daily": 1},
    "sources": {
        "spend": {"path": "x"},
        "outcomes": {"path": "y"},
        "exposures": {"path": "z"},
    },
}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"rotation": {"rewards": "clicks"}}, "rotation.rewards: no such setting; is 'reward'"),
        ({"rotaton": {}}, "rotaton: no such setting; is 'rotation' meant?"),
        ({"rotation": {"xyzzy": 1}}, "rotation.xyzzy: no such setting"),
        ({"rotation": {"reward": "click"}}, "rotation.reward: need 'clicks', 'conversions' or"),
        ({"rotation": {"uniform": 2}}, "rotation.uniform: need at most 1"),
        ({"rotation": {"holdout": "a"}}, "rotation.holdout: need a number"),
        ({"rotation": {"min_probability": 1}}, "rotation.min_probability: need less than 1"),
        ({"rotation": {"max_share": 0}}, "rotation.max_share: need more than 0"),
        ({"rotation": {"delay_days": 1.5}}, "rotation.delay_days: need a whole number"),
        ({"learning": {"days": 56.5}}, "learning.days: need a whole number"),
        ({"offers": {"actions": [], "window_days": 9.5}}, "offers.window_days: need a whole"),
        ({"max_daily_change": math.nan}, "max_daily_change: need a finite number"),
        ({"privacy": {"min_group": math.inf}}, "privacy.min_group: need a finite number"),
        ({"budget": {"daily": math.inf}}, "budget.daily: need a finite number"),
        ({"rotation": {"creatives": [{"expires": "soon"}]}}, "creatives.0.creative: is missing"),
        ({"rotation": {"creatives": [{"expires": "soon"}]}}, "0.expires: need a day such as"),
        ({"rotation": {"randomised": "perhaps"}}, "rotation.randomised: need"),
        ({"rotation": []}, "rotation: need a mapping of settings"),
        (
            {"cadence": {"segment": ["stage"], "quiet": {"start": "25:30"}}},
            'a time such as "20:30"',
        ),
        ({"cadence": {"segment": ["a b"]}}, "cadence.segment.0: need the name of a column"),
        ({"portfolio": "Ä"}, "portfolio: need small letters, digits"),
        (
            {"cadence": {"segment": ["stage"], "quiet": {"start": "09:00", "end": "09:00"}}},
            " cadence.quiet: start and end are the same",
        ),
        ({"offers": {"actions": []}}, "offers.actions: need 2 entries or more"),
    ],
    ids=str,
)
def test_what_is_refused_is_said_in_plain_words(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_policy({**PLAIN, **section}, "portfolio.yaml")
    text = str(caught.value)
    assert said in text
    assert "Input should" not in text
    assert "Extra inputs" not in text


def sections(base: type[Strict]) -> Iterator[type[Strict]]:
    yield base
    for section in base.__subclasses__():
        yield from sections(section)


def test_no_number_of_any_section_may_be_infinite_and_no_count_of_days_is_cut_in_two() -> None:
    parse_policy(PLAIN, "portfolio.yaml")
    for section in sections(Strict):
        assert section.model_config["allow_inf_nan"] is False, section
        for name, field in section.model_fields.items():
            if field.annotation is float and name in {"days", "hold_days", "horizon_days"}:
                assert whole in [getattr(item, "func", None) for item in field.metadata], name
