"""What a user of ctnode installs, what is known of it, and what `deploy/advisories.toml` accepts."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
ACCEPTED = ROOT / "deploy" / "advisories.toml"
SERVICES = ("pypi", "osv")
"""Of pip-audit: the first that answers is asked."""
FOR_TESTS = "test"
"""The extra that is no user's."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """An advisory that is known and does no harm."""

    id: str
    package: str
    reason: str
    until: date  # the last day
    bundled: str | None = (
        None  # text in the package's compiled code, where the advisory is of a library in it
    )


def accepted(text: str) -> list[Accepted]:
    """The entries of the file. Raises TypeError, KeyError where one has another form."""
    found = [Accepted(**entry) for entry in tomllib.loads(text)["advisory"]]
    for each in found:
        if not isinstance(each.until, date) or not each.reason:
            raise TypeError(f"{each.id}: `until` is a date, and `reason` says why")
    return found


def requirements() -> list[Requirement]:
    """What `pyproject.toml` asks for at run time, with the extras that a user may choose."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needs = [need for name, some in extras.items() if name != FOR_TESTS for need in some]
    return [Requirement(need) for need in (*project["dependencies"], *needs)]


def closure(wanted: Collection[Requirement]) -> dict[str, str]:
    """Package -> version of all that these need, of what is installed here."""
    found: dict[str, str] = {}
    waiting = [(each, extra) for each in wanted for extra in ("", *each.extras)]
    seen = set()
    while waiting:
        need, extra = waiting.pop()
        name = canonicalize_name(need.name)
        if (name, extra) in seen or (need.marker and not need.marker.evaluate({"extra": extra})):
            continue
        seen.add((name, extra))
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue  # an extra that is not chosen here
        found[name] = installed.version
        waiting += _needs(installed.requires or (), extra)
    return found


def _needs(lines: Collection[str], extra: str) -> Iterator[tuple[Requirement, str]]:
    for line in lines:
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            need.marker = None
            yield from ((need, each) for each in ("", *need.extras))


def audited(packages: Mapping[str, str], folder: Path) -> tuple[list[dict[str, Any]], str]:
    """What the first service that answers knows of each; none, and why, where none answers."""
    listed = folder / "requirements.txt"
    listed.write_text("".join(f"{name}=={version.partition('+')[0]}\n" for name, version in packages.items()))
    reasons = []
    for service in SERVICES:
        done = subprocess.run(
            [
                sys.executable, "-m", "pip_audit", "--requirement", str(listed), "--no-deps", "--disable-pip",
                "--vulnerability-service", service, "--format", "json", "--progress-spinner", "off",
            ],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        found = json.loads(done.stdout)["dependencies"] if done.stdout.strip() else []
        known = [package for package in found if "skip_reason" not in package]
        if known:
            return known, ""
        skipped = [str(package["skip_reason"]) for package in found]
        reasons.append(f"{service}: {skipped[0] if skipped else _last_line(done.stderr)}")
    return [], "; ".join(reasons)


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:120]


def has_text(package: str, text: str) -> bool:
    """Whether compiled code of an installed package holds a text."""
    files = distribution(package).files or ()
    compiled = [Path(str(file.locate())) for file in files if ".so" in file.suffixes or file.suffix == ".pyd"]
    return any(text.encode() in file.read_bytes() for file in compiled)


def vulnerable(packages: Collection[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """(package, advisory) -> version and advisory, for people; an advisory has several names."""
    found = {}
    for package in packages:
        for each in package.get("vulns", ()):
            for id in (each["id"], *each.get("aliases", ())):
                found[canonicalize_name(package["name"]), id] = f"{package['version']}: {each['id']}"
    return found


def not_accepted(packages: Collection[Mapping[str, Any]], entries: Collection[Accepted]) -> list[str]:
    """Package, version and advisory of what no entry accepts."""
    allowed = {(canonicalize_name(each.package), each.id) for each in entries}
    known = vulnerable(packages)
    fine = {(package, words) for (package, id), words in known.items() if (package, id) in allowed}
    all_known = {(package, words) for (package, _), words in known.items()}
    return sorted(f"{package} {words}" for package, words in all_known - fine)


def out_of_date(entries: Collection[Accepted], today: date) -> list[str]:
    """Entries whose day is over."""
    return [f"{each.id} of {each.package}: until {each.until}" for each in entries if each.until < today]


def not_needed(packages: Collection[Mapping[str, Any]], entries: Collection[Accepted]) -> list[str]:
    """Entries of which the service knows nothing, those of bundled libraries left out."""
    known = vulnerable(packages)
    return [
        f"{each.id} of {each.package}"
        for each in entries
        if each.bundled is None and (canonicalize_name(each.package), each.id) not in known
    ]
