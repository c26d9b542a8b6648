from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.likeness import likeness
from tests.effort import effort


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("ana", "\u0430na"),  # a Cyrillic letter
        ("ana", "ANA"),
        ("ana", "an\u200ba"),  # a space without width
        ("ana", "ana "),
        ("ana", "\uff41na"),  # a wide letter
        ("fin", "f\u0456n"),
        ("fin", "\ufb01n"),  # a ligature
        ("lou", "Iou"),
        ("lou", "1\u043eu"),
        ("ben", "\u202eben"),
        ("ren\u00e9", "rene\u0301"),
    ],
)
def test_names_that_look_alike_are_alike(name: str, twin: str) -> None:
    assert name != twin
    assert likeness(name) == likeness(twin)


@pytest.mark.parametrize(
    ("name", "other"), [("ana", "anna"), ("rene", "ren\u00e9"), ("al", "ai"), ("ana1", "ana2")]
)
def test_names_that_people_can_tell_apart_are_not_alike(name: str, other: str) -> None:
    assert likeness(name) != likeness(other)


@given(st.text())
@effort(100)
def test_what_is_not_seen_and_how_it_is_written_make_no_difference(name: str) -> None:
    written = unicodedata.normalize("NFD", name)
    assert likeness("\u200b" + written + "\u00a0") == likeness(name)
