from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import ConfigError
from pipeline.io.yaml import MAX_BYTES, load_yaml, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("NA", "NA"),
        ("007", "007"),
        ("1:30", "1:30"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("2026-01-02", "2026-01-02"),
        ("=1+1", "=1+1"),
        ("true", True),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("0.0", 0.0),
        ("0e7", 0.0),
        ("1e-300", 1e-300),
    ],
)
def test_a_plain_value_is_what_it_looks_like_and_nothing_is_guessed(
    text: str, value: object
) -> None:
    assert parse_yaml(f"key: {text}".encode(), "p.yaml") == {"key": value}


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20))
def test_a_quoted_text_comes_back_unchanged(text: str) -> None:
    assert parse_yaml(f'key: "{text}"'.encode(), "p.yaml") == {"key": text}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: 1\na: 2", "line 2, column 1: key 'a' is given twice (first on line 1)"),
        (b"a: {b: 1, b: 2}", "key 'b' is given twice"),
        (b"a: !!python/object/apply:os.system [echo]", "could not determine a constructor"),
        (b"a: [1", "line 1"),
        (b"a: 1\n---\nb: 2", "another document"),
        (b"\xff\xfea", "not UTF-8"),
        (b"1: 2", "a key must be text"),
        (b"a: \x00", "not allowed"),
        (b"a: 1e-400", "line 1, column 4: 1e-400 is too close to zero for a number"),
        (b"a: -0.001e-340", "too close to zero"),
        (b"[" * 400, "nested too deeply"),
        (b"a: &a [x]\nb: [" + b"*a," * 60 + b"]", "aliases"),
    ],
)
def test_what_is_not_one_plain_document_is_refused_by_place(text: bytes, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "p.yaml")
    message = str(caught.value)
    assert message.startswith("p.yaml: ")
    assert said in message
    assert "\n" not in message


def test_a_file_that_is_missing_or_huge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path / "none.yaml")
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="at most"):
        load_yaml(huge)


def test_an_alias_bomb_costs_nothing(tmp_path: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for index in range(1, 9):
        many = ", ".join([f"*a{index - 1}"] * 9)
        levels.append(f"a{index}: &a{index} [{many}]")
    with pytest.raises(ConfigError, match="aliases"):
        parse_yaml("\n".join(levels).encode(), "p.yaml")


def test_few_aliases_that_double_each_other_are_a_bomb_too() -> None:
    levels = ["a0: &a0 [x, x]"]
    levels += [f"a{index}: &a{index} [*a{index - 1}, *a{index - 1}]" for index in range(1, 25)]
    with pytest.raises(ConfigError, match="aliases stand for more than"):
        parse_yaml("\n".join(levels).encode(), "p.yaml")
    plain = parse_yaml("\n".join(levels[:5]).encode(), "p.yaml")
    assert plain["a4"][0][1][0][1] == ["x", "x"]
