"""The runbook explains every reason for doubt that an analysis gives, and none that it does not give."""

from __future__ import annotations

import re

import pytest

from tests.documents.blocks import ROOT
from tests.documents.sources import constants, sentences

RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text()
SECTION = RUNBOOK.split("## A series has no result, or a doubtful one", 1)[1].split("\n## ", 1)[0]
EXPLAINED = re.findall(r"^\| `([^`]+)` \|", SECTION, re.MULTILINE)

SAID = {
    "inference/axis.py": "doubts",
    "inference/curve.py": None,
    "inference/trust.py": None,
    "inference/levels.py": None,
    "inference/variants.py": None,
    "inference/contrast.py": None,
    "inference/analysis.py": None,
    "storage/geometry/stack.py": "_tilt",
}
"""Module to the function that gives reasons; None for all of them."""


@pytest.mark.parametrize("module", SAID)
def test_every_reason_for_doubt_is_explained(module: str) -> None:
    said = sentences(module, SAID[module])
    assert said
    assert sorted(s for s in said if not any(s in example for example in EXPLAINED)) == []


def test_no_reason_is_explained_that_is_never_given() -> None:
    given = {s for module, function in SAID.items() for s in sentences(module, function)}
    given |= constants("Comparison", "attribute")
    assert "reversed order: score falls towards the head" in given
    assert sorted(example for example in EXPLAINED if not any(s in example for s in given)) == []


def test_every_attribute_that_may_be_contradicted_is_explained() -> None:
    attributes = constants("Comparison", "attribute")
    assert "BodyPartExamined" in attributes
    assert attributes <= set(EXPLAINED)
