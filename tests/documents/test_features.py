"""The table of features: every command can be typed, every test is there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.documents.blocks import ROOT
from tests.documents.test_commands import COMMAND, command_at

DOCUMENT = ROOT / "deploy" / "FEATURES.md"
ROW = re.compile(r"^\| (F\d+(?:-F\d+|(?:, F\d+)*)) \| (.+) \|$", re.MULTILINE)
ALL = {f"F{n}" for n in range(1, 42)}

SHOWN, MISSING = (
    {match[1]: match[2].split(" | ") for match in ROW.finditer(part)}
    for part in DOCUMENT.read_text().split("What is not here")
)


def numbers(key: str) -> set[str]:
    first, *last = (int(n) for n in re.findall(r"\d+", key))
    return {f"F{n}" for n in range(first, last[0] + 1)} if "-" in key else {f"F{n}" for n in (first, *last)}


def test_every_feature_is_in_one_of_the_tables() -> None:
    shown, missing = (set().union(*map(numbers, table)) for table in (SHOWN, MISSING))
    assert shown & missing == set()
    assert shown | missing == ALL


@pytest.mark.parametrize("feature", SHOWN)
def test_a_feature_that_is_shown_has_a_command_that_can_be_typed(feature: str) -> None:
    _, command, _ = SHOWN[feature]
    typed = COMMAND.findall(command.replace("`", "\n"))
    assert typed
    for line in typed:
        found, rest = command_at(line.split())
        assert not hasattr(found, "commands"), line
        assert rest, line


@pytest.mark.parametrize("feature", SHOWN)
def test_a_feature_that_is_shown_has_a_test_that_is_there(feature: str) -> None:
    _, _, test = SHOWN[feature]
    file, _, name = test.strip("` ").partition("::")
    tree = ast.parse((ROOT / file).read_text())
    tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert any(t.startswith("test_") for t in tests)
    assert not name or name in tests


@pytest.mark.parametrize("feature", MISSING)
def test_a_feature_that_is_missing_says_what_is_there(feature: str) -> None:
    assert all(cell.strip() for cell in MISSING[feature])
