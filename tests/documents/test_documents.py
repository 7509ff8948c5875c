"""Documents that fail the build when they lie."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.documents.blocks import BLOCK, DOCUMENTS, MAKERS, ROOT, made

PACKAGES = ("node", "inference", "storage")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_made_parts_are_as_the_code_says(document: Path) -> None:
    text = document.read_text()
    assert made(text) == text, f"{document.name} is out of date: run `make docs`"


def test_every_made_part_stands_in_a_document() -> None:
    text = "".join(document.read_text() for document in DOCUMENTS)
    assert {match["name"] for match in BLOCK.finditer(text)} == set(MAKERS)


def source_files() -> list[Path]:
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def constants(function: str, keyword: str | None) -> set[str]:
    """The string constants given to calls of a function: by keyword, or as the first argument."""
    found = set()
    for file in source_files():
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or _name(node.func) != function:
                continue
            given = node.args[:1] if keyword is None else [k.value for k in node.keywords if k.arg == keyword]
            found |= {g.value for g in given if isinstance(g, ast.Constant) and isinstance(g.value, str)}
    return found


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


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


def test_every_runtime_dependency_has_its_line_in_the_decisions() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    block = pyproject.split("dependencies = [", 1)[1].split("]\n", 1)[0]
    names = re.findall(r'"([A-Za-z0-9_.-]+)', block)
    decisions = (ROOT / "deploy" / "DECISIONS.md").read_text().lower()
    assert len(names) > 10
    assert sorted(name for name in names if f"`{name.lower()}`" not in decisions) == []


def test_no_document_names_a_machine() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("deploy/*"), ROOT / "config.yaml", ROOT / "Makefile"]:
        if document.is_file():
            assert not re.search(r"/work/|/tmp/|/root/", document.read_text()), document.name
