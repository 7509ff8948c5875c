"""Documents that fail the build when they lie."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.documents.blocks import BLOCK, DOCUMENTS, MAKERS, ROOT, made
from tests.documents.sources import constants


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_made_parts_are_as_the_code_says(document: Path) -> None:
    text = document.read_text()
    assert made(text) == text, f"{document.name} is out of date: run `make docs`"


def test_every_made_part_stands_in_a_document() -> None:
    text = "".join(document.read_text() for document in DOCUMENTS)
    assert {match["name"] for match in BLOCK.finditer(text)} == set(MAKERS)


def test_every_kind_of_event_is_in_the_runbook() -> None:
    kinds = constants("Event", "kind")
    assert "dead letter" in kinds
    assert_listed(kinds)


def test_every_log_message_is_in_the_runbook() -> None:
    levels = ("info", "warning", "error", "exception", "critical")
    messages = {message for level in levels for message in constants(level, None)}
    assert "listening" in messages
    assert_listed(messages)


def assert_listed(names: set[str]) -> None:
    runbook = (ROOT / "deploy" / "RUNBOOK.md").read_text()
    missing = sorted(name for name in names if f"| `{name}` |" not in runbook)
    assert missing == []


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def extras() -> dict[str, list[str]]:
    return {name: needs for name, needs in project()["optional-dependencies"].items() if name != "test"}


def test_every_runtime_dependency_has_its_line_in_the_decisions() -> None:
    needed = [*project()["dependencies"], *(need for needs in extras().values() for need in needs)]
    names = [re.match(r"[A-Za-z0-9_.-]+", need)[0] for need in needed]  # type: ignore[index]
    decisions = (ROOT / "deploy" / "DECISIONS.md").read_text().lower()
    assert len(names) > 10
    assert sorted(name for name in names if f"`{name.lower()}`" not in decisions) == []


def test_every_extra_is_in_the_readme_and_in_the_decisions() -> None:
    readme, decisions = (ROOT / "README.md").read_text(), (ROOT / "deploy" / "DECISIONS.md").read_text()
    assert "evaluate" in extras()
    assert sorted(name for name in extras() if f"ctnode[{name}]" not in readme) == []
    assert sorted(name for name in extras() if f"| `{name}` |" not in decisions) == []


def test_no_document_names_a_machine() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("deploy/*"), ROOT / "config.yaml", ROOT / "Makefile"]:
        if document.is_file():
            assert not re.search(r"/work/|/tmp/|/root/", document.read_text()), document.name
