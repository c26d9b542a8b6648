"""Settings that are refused say where, what is needed, and what a typo may have meant."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.errors import ConfigError
from pipeline.core.policy import parse_policy

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
