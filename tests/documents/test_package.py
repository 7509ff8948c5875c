"""What the product reads beside its code is packed: hatchling leaves out what .gitignore names."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.documents.blocks import ROOT

READ = (
    "inference/evaluation/covered.csv",
    "node/console/static/console.css",
    "node/console/static/htmx.min.js",
    "node/console/templates/base.html",
    "inference/training/anchors.csv",
    "inference/training/contrast_labels.csv",
    "inference/workbench/prediction/page.css",
    "inference/workbench/prediction/page.js",
    "inference/weights/any.safetensors",
    "inference/weights/any.json",
    "inference/weights/CARD.md",
)


def ignored(path: str) -> bool:
    asked = subprocess.run(["git", "check-ignore", "--quiet", "--no-index", path], cwd=ROOT, check=False)
    assert asked.returncode in (0, 1)
    return asked.returncode == 0


def test_no_file_that_is_read_is_ignored() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert ignored("build/any")
    assert [path for path in READ if ignored(path)] == []


def test_every_table_beside_the_code_is_named_here() -> None:
    tables = {str(path.relative_to(ROOT)) for path in (ROOT / "inference").rglob("*.csv")}
    assert tables == {path for path in READ if path.endswith(".csv")}
