"""No package that is installed here has a known vulnerability, where an advisory service can be reached."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest


def audited() -> list[dict[str, Any]]:
    """What the Python Package Index knows of each package; the product itself is not on it."""
    command = [sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--format", "json"]
    done = subprocess.run(
        [*command, "--progress-spinner", "off"], capture_output=True, timeout=300, check=False
    )
    return list(json.loads(done.stdout)["dependencies"]) if done.stdout else []


def vulnerable(packages: list[dict[str, Any]]) -> list[str]:
    """Package, version and advisory; a package that was skipped has none, and is not safe for that."""
    return [
        f"{package['name']} {package['version']}: {found['id']}"
        for package in packages
        for found in package.get("vulns", ())
    ]


def test_nothing_that_is_installed_is_known_to_be_vulnerable() -> None:
    packages = [package for package in audited() if "skip_reason" not in package]
    if not packages:  # pip-audit then says that it found nothing
        pytest.skip("no advisory service answers: nothing was audited")
    assert vulnerable(packages) == []


def test_a_package_with_an_advisory_is_named() -> None:
    found = [
        {"name": "jinja2", "version": "3.1.2", "vulns": [{"id": "PYSEC-1"}, {"id": "PYSEC-2"}]},
        {"name": "numpy", "version": "2.4.6", "vulns": []},
        {"name": "torch", "skip_reason": "not found"},
    ]
    assert vulnerable(found) == ["jinja2 3.1.2: PYSEC-1", "jinja2 3.1.2: PYSEC-2"]
