"""config.yaml is the manual: it is valid as shipped, and says everything the models know, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from node.config import Config, OtherDestination, Peer, load
from node.peers import Admission, admit
from storage.kinds import DEFAULT_KINDS

MANUAL = Path(__file__).resolve().parents[2] / "config.yaml"
LINES = MANUAL.read_text(encoding="utf-8").splitlines()
SECTION = re.compile(r"([a-z_]+):")
KEY = re.compile(r"""  (?:# )?([a-z_]+): ?(?:\S+|"[^"]*"|\{.*\}|\[.*\])$""")
PEER_KEY = re.compile(r"#   ([a-z_]+) {2,}(.*)")
ENTRIES = ("peers", "destinations")
"""Sections whose keys stand in the comment above them."""
EXAMPLE = re.compile(r"  # ((?:-|  )[ ]*[a-z_]+: .*)")


def sections() -> dict[str, type[BaseModel]]:
    return {
        name: field.annotation
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def documented() -> dict[str, dict[str, int]]:
    """Section -> key -> index of its line, the commented keys among them."""
    found: dict[str, dict[str, int]] = {}
    section = ""
    for index, line in enumerate(LINES):
        if match := SECTION.match(line):
            section = match[1]
            found[section] = {}
        elif section not in ENTRIES and (match := KEY.fullmatch(line)):
            found[section][match[1]] = index
    return found


def test_every_key_of_the_models_stands_in_the_manual_and_no_other() -> None:
    found = documented()
    assert set(found) == set(Config.model_fields)
    assert {name: set(found[name]) for name in sections()} == {
        name: set(model.model_fields) for name, model in sections().items()
    }


def test_every_key_and_section_has_a_comment_above_it() -> None:
    for section, keys in documented().items():
        heads = [index for index, line in enumerate(LINES) if line.startswith(f"{section}:")]
        for index in [*heads, *keys.values()]:
            assert LINES[index - 1].lstrip().startswith("# "), LINES[index]


def test_the_manual_shows_the_defaults() -> None:
    shipped = load(MANUAL, environment={})
    default = Config().model_dump(exclude={"peers": True, "storage": {"root"}})
    assert shipped.model_dump(exclude={"peers": True, "storage": {"root"}}) == default
    assert shipped.storage.root == MANUAL.parent / Config().storage.root


@pytest.mark.parametrize(("section", "model"), [("peers", Peer), ("destinations", OtherDestination)])
def test_every_key_of_an_entry_is_described_with_its_default(section: str, model: type[BaseModel]) -> None:
    begin = LINES.index(f"{section}:")
    described: dict[str, str] = {}
    for line in _comment_above(begin):
        if match := PEER_KEY.match(line):
            described[match[1]] = match[2]
        elif described and line.startswith("#    "):
            described[next(reversed(described))] += " " + line.strip("# ")
    assert set(described) == set(model.model_fields)
    for name, field in model.model_fields.items():
        if not field.is_required():
            assert _shown(field.default) in described[name], name


def _comment_above(begin: int) -> list[str]:
    first = next(i for i in range(begin, -1, -1) if i == 0 or not LINES[i - 1].startswith("#"))
    return LINES[first:begin]


def _shown(default: object) -> str:
    if default == DEFAULT_KINDS:
        return "Default [sr, seg]"
    return "Default false" if default is False else "Default none"


def test_the_commented_examples_are_valid(tmp_path: Path) -> None:
    begin = next(i for i, line in enumerate(LINES) if line.startswith("peers:"))
    path = tmp_path / "config.yaml"
    text = [EXAMPLE.sub(r"  \1", line) if index > begin else line for index, line in enumerate(LINES)]
    path.write_text("\n".join(text), encoding="utf-8")
    config = load(path, environment={})
    assert [each.name for each in config.destinations] == ["cloud", "research"]
    peers = config.peers
    assert [peer.name for peer in peers] == ["workstation", "CT1", "PACS"]
    assert str(peers[2].address) == "MAINPACS@pacs.hospital.example:104"


def test_the_first_steps_work_from_this_machine_alone() -> None:
    shipped = load(MANUAL, environment={})
    for address in ("127.0.0.1", "::1"):
        first = admit(calling_ae="STORESCU", called_ae="CTNODE", address=address, config=shipped)
        assert first.admission is Admission.ADMITTED
    other = admit(calling_ae="STORESCU", called_ae="CTNODE", address="10.0.0.9", config=shipped)
    assert other.admission is Admission.CALLING_AE_UNKNOWN
    assert not any(peer.gets_results for peer in shipped.peers)
