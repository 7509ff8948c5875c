"""Peers written into and taken out of the text of config.yaml: nothing else changes by a byte.

YAML says where things stand, and lines are put in and taken out there; a writer of YAML would lay out the
whole file anew. No I/O. What the text says afterwards is compared with what was meant: a text that is written
in a way that nobody foresaw is refused, and is never spoilt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from node.config_source import parsed
from storage.errors import ConfigError

PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")
WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
"""Text that some readers of YAML take for something else."""
INDENT: Final = 2

Pair = tuple[ScalarNode, Node]
"""A key and its value."""
PeerKeys = Mapping[str, Any]
"""The keys of a peer and their values: text, numbers, true and false, and lists of these."""


def with_peer(text: str, peer: PeerKeys, path: Path) -> str:
    """The text with one peer more, behind the others.

    Args:
        text: of the file.
        peer: its keys, in the order in which they are written.
        path: of the file, for messages.

    Raises:
        ConfigError: the text is not YAML, or peers stand in it in a way that has to be edited by hand.
    """
    found = _peers(text, path)
    if found is None:
        changed = _appended(text, peer)
    elif isinstance(found[1], SequenceNode) and found[1].flow_style:
        changed = _in_brackets(text, found[1], peer)
    else:
        changed = _below(text, found, peer)
    return _as_meant(changed, text, (*_list(text, path), _plain(peer)), path)


def without_peer(text: str, name: str, path: Path) -> str:
    """The text without a peer: its own lines go, comments above it stay.

    Raises:
        ConfigError: no peer has the name; or see `with_peer`.
    """
    peers = _list(text, path)
    numbers = [n for n, peer in enumerate(peers) if isinstance(peer, dict) and peer.get("name") == name]
    if not numbers:
        known = ", ".join(str(peer.get("name")) for peer in peers if isinstance(peer, dict))
        raise ConfigError(f"{path}: no peer is named {name!r}; there are: {known or 'none'}")
    found = _peers(text, path)
    assert found is not None
    node = found[1]
    assert isinstance(node, SequenceNode)
    taken_out = _out_of_brackets if node.flow_style else _lines_out
    left = tuple(peer for n, peer in enumerate(peers) if n != numbers[0])
    return _as_meant(taken_out(text, node, numbers[0]), text, left, path)


def _list(text: str, path: Path) -> tuple[Any, ...]:
    peers = parsed(text, path).data.get("peers", ())
    if not isinstance(peers, tuple):
        raise ConfigError(f"{path}: peers is not a list")
    return peers


def _peers(text: str, path: Path) -> Pair | None:
    """The key `peers` and what stands behind it; None where it is not written."""
    parsed(text, path)  # its errors have places
    root = YAML(typ="safe", pure=True).compose(text)
    if root is None:
        return None
    if not isinstance(root, MappingNode) or root.flow_style:
        raise ConfigError(f"{path}: is one mapping in braces: edit it by hand")
    return next((pair for pair in root.value if pair[0].value == "peers"), None)


def _as_meant(changed: str, before: str, peers: tuple[Any, ...], path: Path) -> str:
    by_hand = f"{path}: peers are written in a way that this cannot edit: edit them by hand"
    try:
        now = parsed(changed, path)
    except ConfigError as error:
        raise ConfigError(by_hand) from error
    meant = {key: value for key, value in parsed(before, path).data.items() if key != "peers"}
    found = dict(now.data)
    if found.pop("peers", ()) != peers or found != meant or now.problems:
        raise ConfigError(by_hand)
    return changed


def _plain(value: Any) -> Any:
    """As `node.config_source` reads it."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_plain(each) for each in value)
    return value


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    is_text = YAML(typ="safe", pure=True).load(value) == value if PLAIN.fullmatch(value) else False
    return value if is_text and value.lower() not in WORDS else f'"{"".join(map(_escaped, value))}"'


def _escaped(character: str) -> str:
    """As in JSON, but for what lies beyond 16 bits: YAML knows no surrogates."""
    code = ord(character)
    return f"\\U{code:08x}" if code > 0xFFFF else json.dumps(character)[1:-1]


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_value(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each) for each in value)}]"
    return _scalar(value)


def _lines(peer: PeerKeys, column: int) -> list[str]:
    """A peer as an item of a list whose dashes stand in a column."""
    lines = [f"{key}: {_value(value)}" for key, value in peer.items()]
    marks = ["- ", *["  "] * (len(lines) - 1)]
    return [" " * column + mark + line for mark, line in zip(marks, lines, strict=True)]


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _appended(text: str, peer: PeerKeys) -> str:
    end = _newline(text)
    gap = "" if not text or text.endswith("\n") else end
    return text + gap + end.join(["peers:", *_lines(peer, INDENT), ""])


def _below(text: str, pair: Pair, peer: PeerKeys) -> str:
    """Behind the last of a list with dashes, or below `peers:` where nothing stands there."""
    node, column, index = pair[1], INDENT, _end(pair)
    if isinstance(node, SequenceNode):
        column = node.start_mark.column
    else:  # null, ~, or nothing
        text = text[: node.start_mark.index] + text[node.end_mark.index :]
        index = _end(pair[0])
    end = _newline(text)
    at = text.find("\n", index) + 1
    new = end.join([*_lines(peer, column), ""])
    return text[:at] + new + text[at:] if at else text + end + new


def _in_brackets(text: str, node: SequenceNode, peer: PeerKeys) -> str:
    at = _end(node.value[-1]) if node.value else node.start_mark.index + 1
    return f"{text[:at]}{', ' if node.value else ''}{_value(peer)}{text[at:]}"


def _lines_out(text: str, node: SequenceNode, number: int) -> str:
    """The lines from the dash of an item to the end of its last value."""
    item = node.value[number]
    first = text.rfind("\n", 0, item.start_mark.index) + 1
    while not text[first:].lstrip(" ").startswith("-"):  # the dash has a line of its own, above
        first = text.rfind("\n", 0, first - 1) + 1
    last = text.find("\n", _end(item)) + 1 or len(text)
    return text[:first] + text[last:]


def _out_of_brackets(text: str, node: SequenceNode, number: int) -> str:
    items: Sequence[Node] = node.value
    begin, end = items[number].start_mark.index, items[number].end_mark.index
    if number + 1 < len(items):
        end = items[number + 1].start_mark.index
    elif number:
        begin = items[number - 1].end_mark.index
    return text[:begin] + text[end:]


def _end(what: Node | Pair) -> int:
    """Where the last value ends.

    A list or mapping with lines ends where the next thing begins, and a value that is left out stands there:
    comments in between are nobody's.
    """
    if isinstance(what, tuple):
        is_left_out = what[1].start_mark.index == what[1].end_mark.index
        return _end(what[0] if is_left_out else what[1])
    if not isinstance(what, CollectionNode) or what.flow_style or not what.value:
        return int(what.end_mark.index)
    return _end(what.value[-1])
