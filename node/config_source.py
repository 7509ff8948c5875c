"""A YAML file as plain values that remember where they stand.

The file is read as a graph of nodes, not as Python objects: so every key has its place, a key that
is written twice is seen, and nothing in the file can construct anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.reader import ReaderError

from storage.errors import ConfigError

Key = tuple[str | int, ...]
"""Where a value stands in the tree: ``("peers", 0, "port")``."""

UNPLACED: Final = "cannot be read"


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """Where a value was written: in the file, or in an environment variable."""

    line: int = 0  # from 1; 0 for an environment variable
    column: int = 0  # from 1, in characters
    variable: str = ""  # the environment variable's name, '' for the file


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with the configuration."""

    place: Place  # where
    key: str  # the dotted key, '' for the file as a whole
    text: str  # what is wrong and what is allowed

    def line(self, file: str) -> str:
        """``config.yaml:12:9: node.port: 70000 is not a port (1-65535)``."""
        where = self.place.variable or f"{file}:{self.place.line}:{self.place.column}"
        return ": ".join(part for part in (where, self.key, self.text) if part)


@dataclass(kw_only=True)
class Source:
    """The values of one file and where each of them stands."""

    data: dict[str, Any] = field(default_factory=dict)  # as `Config` wants them; sequences are tuples
    keys: dict[Key, Place] = field(default_factory=dict)  # where each key begins
    values: dict[Key, Place] = field(default_factory=dict)  # where each value begins
    problems: list[Problem] = field(default_factory=list)  # what is wrong with the file as YAML

    def place(self, key: Key, *, of_key: bool = False) -> Place:
        """Where a key or its value stands; for what was left out, where its parent stands."""
        places = self.keys if of_key else self.values
        if key in places:
            return places[key]
        while key and key not in self.keys:
            key = key[:-1]
        return self.keys.get(key, Place(line=1, column=1))


def dotted(key: Key) -> str:
    """``peers[0].port`` for ``("peers", 0, "port")``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def read(path: Path) -> Source:
    """Read a YAML file.

    Raises:
        ConfigError: the file is missing, unreadable, or not one YAML document.
    """
    return parsed(text_of(path), path)


def parsed(text: str, path: Path) -> Source:
    """The values of a file whose text is known.

    Raises:
        ConfigError: it is not one YAML document.
    """
    try:
        return _parsed(text, path)
    except RecursionError as error:
        raise ConfigError(f"{path}: {UNPLACED}: lists or mappings in each other without end") from error


def _parsed(text: str, path: Path) -> Source:
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        raise ConfigError(_syntax(error, text).line(str(path))) from error
    source = Source()
    if isinstance(root, MappingNode):
        source.data = _Walk(source).mapping((), root)
        source.data = {key: value for key, value in source.data.items() if value is not None}
    elif root is not None:
        source.problems.append(Problem(place=_begin(root), key="", text="is not a mapping of sections"))
    return source


def text_of(path: Path) -> str:
    """The text of a file, without a byte order mark. Raises ConfigError: it is missing or not UTF-8."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise ConfigError(f"{path}: {UNPLACED}: {reason}") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _offset(raw[: error.start].decode("utf-8-sig"), error.start)
        problem = Problem(place=place, key="", text="is not UTF-8 text")
        raise ConfigError(problem.line(str(path))) from error


def _offset(text: str, end: int) -> Place:
    before = text[:end]
    return Place(line=before.count("\n") + 1, column=len(before) - before.rfind("\n"))


def _syntax(error: YAMLError, text: str) -> Problem:
    if isinstance(error, ReaderError):
        return Problem(place=_offset(text, error.position), key="", text="control character in the file")
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    place = Place(line=mark.line + 1, column=mark.column + 1) if mark else Place(line=1, column=1)
    words = [getattr(error, name, None) for name in ("context", "problem")]
    return Problem(place=place, key="", text="not valid YAML: " + ", ".join(word for word in words if word))


def _begin(node: Node) -> Place:
    return Place(line=node.start_mark.line + 1, column=node.start_mark.column + 1)


def _is_left_out(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == "" and not node.style


class _Walk:
    """From nodes to plain values, filling in a `Source` on the way."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._seen: set[int] = set()
        self._scalars = YAML(typ="safe", pure=True).constructor

    def _problem(self, place: Place, key: Key, text: str) -> None:
        self._source.problems.append(Problem(place=place, key=dotted(key), text=text))

    def value(self, key: Key, node: Node) -> Any:
        self._source.values[key] = self._source.keys[key] if _is_left_out(node) else _begin(node)
        if isinstance(node, ScalarNode):
            return self._scalar(key, node)
        if id(node) in self._seen:  # an alias: could repeat itself without end
            self._problem(_begin(node), key, f"repeats &{node.anchor}; write it out")
            return None
        self._seen.add(id(node))
        if isinstance(node, MappingNode):
            return self.mapping(key, node)
        return tuple(self._item((*key, index), child) for index, child in enumerate(node.value))

    def _item(self, key: Key, node: Node) -> Any:
        self._source.keys[key] = _begin(node)
        return self.value(key, node)

    def mapping(self, key: Key, node: MappingNode) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            name, begin = str(key_node.value), _begin(key_node)
            if name in values:
                first = self._source.keys[(*key, name)].line
                self._problem(begin, (*key, name), f"is written twice, first in line {first}")
                continue
            self._source.keys[(*key, name)] = begin
            values[name] = self.value((*key, name), value_node)
        return values

    def _scalar(self, key: Key, node: ScalarNode) -> Any:
        if "${" in node.value:
            variable = "CTNODE_" + "__".join(str(part) for part in key[-2:]).upper()
            self._problem(_begin(node), key, f"'${{' is not replaced here; set {variable} instead")
            return None
        try:
            return self._scalars.construct_object(node)
        except (YAMLError, ValueError):
            self._problem(_begin(node), key, f"{node.value!r} with the tag {node.tag!r} is not understood")
            return None
