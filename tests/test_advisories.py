"""No package that a user installs has a known vulnerability, but those that are accepted with a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.advisories import (
    ACCEPTED,
    Accepted,
    accepted,
    audited,
    closure,
    has_text,
    not_accepted,
    not_needed,
    out_of_date,
    requirements,
)

ENTRIES = accepted(ACCEPTED.read_text())
ENTRY = Accepted(id="PYSEC-2", package="Jinja2", reason="not used", until=date(2030, 1, 31))
FOUND: list[dict[str, Any]] = [
    {
        "name": "jinja2",
        "version": "3.1.2",
        "vulns": [{"id": "PYSEC-1"}, {"id": "GHSA-2", "aliases": ["PYSEC-2"]}],
    },
    {"name": "numpy", "version": "2.4.6", "vulns": []},
]


def test_nothing_that_a_user_installs_is_known_to_be_vulnerable(tmp_path: Path) -> None:
    packages = closure(requirements())
    found, why_none = audited(packages, tmp_path)
    if not found:
        pytest.skip(f"no advisory service answers: {len(packages)} packages were not audited ({why_none})")
    assert not_accepted(found, ENTRIES) == []
    assert not_needed(found, ENTRIES) == []


def test_what_is_accepted_was_looked_at_lately() -> None:
    assert out_of_date(ENTRIES, datetime.now(UTC).date()) == []


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.bundled is not None], ids=lambda e: str(e.id))
def test_what_is_accepted_of_a_bundled_library_is_in_the_package_still(entry: Accepted) -> None:
    assert has_text(entry.package, str(entry.bundled)), f"take {entry.id} out of {ACCEPTED.name}"


def test_what_a_user_installs_is_audited_and_what_tests_need_is_not() -> None:
    packages = closure(requirements())
    assert {"pydicom", "torch", "pyjpegls", "sqlalchemy", "markupsafe", "anyio", "psycopg-binary"} <= set(
        packages
    )
    assert {"pytest", "mypy", "ruff", "pip-audit"} & set(packages) == set()


def test_extras_and_markers_are_followed() -> None:
    assert "psycopg-binary" not in closure([Requirement("psycopg")])
    assert "psycopg-binary" in closure([Requirement("psycopg[binary]")])
    assert closure([Requirement("numpy; python_version < '3'"), Requirement("no-such-package-here")]) == {}


def test_an_advisory_is_named_unless_it_is_accepted_by_any_of_its_names() -> None:
    assert not_accepted(FOUND, []) == ["jinja2 3.1.2: GHSA-2", "jinja2 3.1.2: PYSEC-1"]
    assert not_accepted(FOUND, [ENTRY]) == ["jinja2 3.1.2: PYSEC-1"]
    assert not_accepted(FOUND, [replace(ENTRY, package="numpy")]) == not_accepted(FOUND, [])


def test_an_entry_ends_with_its_day() -> None:
    assert out_of_date([ENTRY], date(2030, 1, 31)) == []
    assert out_of_date([ENTRY], date(2030, 2, 1)) == ["PYSEC-2 of Jinja2: until 2030-01-31"]


def test_an_entry_that_is_not_needed_is_named() -> None:
    assert not_needed(FOUND, [ENTRY, replace(ENTRY, bundled="jinja 3")]) == []
    assert not_needed(FOUND, [replace(ENTRY, id="PYSEC-3")]) == ["PYSEC-3 of Jinja2"]
    assert not_needed(FOUND, [replace(ENTRY, id="PYSEC-3", bundled="jinja 3")]) == []


def test_a_text_is_looked_for_in_compiled_code() -> None:
    assert not has_text("pyjpegls", "charls 9.9.9")
    assert not has_text("jinja2", "jinja2")  # it has no compiled code


@pytest.mark.parametrize(
    "form", ['until = "2030-01-01"\nreason = "x"', 'until = 2030-01-01\nreason = ""', ""]
)
def test_an_entry_without_reason_or_day_is_none(form: str) -> None:
    with pytest.raises((TypeError, KeyError)):
        accepted(f'[[advisory]]\nid = "A"\npackage = "b"\n{form}\n')
