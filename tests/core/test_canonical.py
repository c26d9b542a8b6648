"""One value, one text: what is hashed and signed does not depend on how it was written down."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.canonical import canonical_bytes, content_hash
from pipeline.core.errors import PipelineError

SCALARS = (
    st.none() | st.booleans() | st.text()
    | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_reading_and_writing_again_gives_the_same_bytes(value):
    data = canonical_bytes(value)
    assert canonical_bytes(json.loads(data)) == data


@given(st.dictionaries(st.text(), SCALARS, max_size=6))
def test_the_order_of_keys_does_not_matter(value):
    turned = dict(reversed(list(value.items())))
    assert content_hash(turned) == content_hash(value)


def test_one_amount_has_one_text():
    assert canonical_bytes([100, 100.0, 1e2, 0.1]) == b"[100,100,100,0.1]"
    assert canonical_bytes(("a", "é")) == '["a","é"]'.encode()
    assert canonical_bytes(True) == b"true"


def test_nothing_that_is_not_finite_is_stored():
    for value in (math.nan, math.inf, [-math.inf], {"a": {"b": math.nan}}):
        with pytest.raises(PipelineError, match="not finite"):
            canonical_bytes(value)


def test_another_value_has_another_hash():
    seen = {content_hash(value) for value in (None, 0, "", [], {}, [0], ["0"], False, {"0": 0})}
    assert len(seen) == 9
    assert all(item.startswith("sha256:") and len(item) == 71 for item in seen)


def test_only_numbers_that_are_whole_and_exact_lose_their_point():
    assert canonical_bytes([100.0, 1.5, 1e14, 1e15, -1e15]) == (
        b"[100,1.5,100000000000000,1000000000000000.0,-1000000000000000.0]"
    )
