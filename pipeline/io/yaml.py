"""YAML read without guessing: no key twice, no tags, no bombs, and `no` is the text "no"."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from pipeline.core.errors import ConfigError

MAX_BYTES = 1 << 20
MAX_ALIASES = 50  # a page of settings needs none; a bomb needs thousands
MAX_DEPTH = 20
MAX_VALUES = 100_000  # with every alias written out: 25 aliases, each of two, stand for 33 million


def load_yaml(path: Path) -> Any:
    """Return what the file says, as plain mappings, lists, texts, numbers and booleans.

    Dates stay text, and so does everything that only YAML 1.1 takes for a number or a boolean
    (`no`, `1:30`, `007`).

    Raises:
        ConfigError: unreadable, too large, not UTF-8, or not one plain YAML document.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(f"{path}: {size} bytes, at most {MAX_BYTES} are read; shorten it")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse_yaml(data, path.name)


def parse_yaml(data: bytes, where: str) -> Any:
    """Return what the bytes say; `where` names them in a message.

    Raises:
        ConfigError: as `load_yaml`.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    try:
        # A subclass of the safe loader: it builds nothing but plain values.
        return yaml.load(text, Loader=_Loader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = error.problem or error.context or "cannot be read"
        raise ConfigError(f"{where}: {line}{problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{where}: nested too deeply; need at most {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise ConfigError(f"{where}: a value cannot be read: {error}") from error


class _Loader(yaml.SafeLoader):
    """The safe loader with YAML 1.2's plain values, and limits."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._aliases = 0
        self._depth = 0
        self._values = 0
        self._sizes: dict[str | None, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Count aliases, depth and what aliases stand for, before anything is built."""
        before = self._values
        stream: Any = self  # the stubs do not know that a loader can peek
        event = stream.peek_event()
        self._values += 1
        if isinstance(event, yaml.AliasEvent):
            self._aliases += 1
            self._values += self._sizes.get(event.anchor, 0)
            if self._aliases > MAX_ALIASES:
                raise yaml.YAMLError(f"more than {MAX_ALIASES} aliases; write the values out")
            if self._values > MAX_VALUES:
                raise yaml.YAMLError(
                    f"its aliases stand for more than {MAX_VALUES} values; write them out"
                )
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.YAMLError(f"nested too deeply; need at most {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self._depth -= 1
        if getattr(event, "anchor", None) and not isinstance(event, yaml.AliasEvent):
            self._sizes[event.anchor] = self._values - before
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that is given twice: the last one would win silently."""
        seen: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"a key must be text, got {key!r}", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"key {key!r} is given twice (first on line {seen[key]}); keep one",
                    key_node.start_mark,
                )
            seen[key] = line
        return super().construct_mapping(node, deep=deep)


def _number(loader: _Loader, node: yaml.ScalarNode) -> float:
    """Return a number; one that a float can only hold as zero would be another setting."""
    value = loader.construct_yaml_float(node)
    if value == 0 and re.search("[1-9]", node.value.lower().partition("e")[0]):
        raise yaml.constructor.ConstructorError(
            None, None, f"{node.value} is too close to zero for a number", node.start_mark
        )
    return value


_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(tag, re.compile(pattern), list(first))


_resolve("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", "~nN")
_Loader.yaml_implicit_resolvers.setdefault("", []).append(
    ("tag:yaml.org,2002:null", re.compile(r"^$"))
)
_resolve("tag:yaml.org,2002:int", r"^[-+]?(?:0|[1-9][0-9]{0,17})$", "-+0123456789")
_resolve(
    "tag:yaml.org,2002:float",
    r"^[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?"
    r"|(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$",
    "-+0123456789.",
)
