"""What a check found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

NODE: Final = "this node"  # no peer can be named so


class Outcome(StrEnum):
    """How a check ended."""

    OK = "OK"
    WARNING = "WARNING"  # it works, and somebody should look
    FAILED = "FAILED"
    NOT_CHECKED = "NOT CHECKED"  # the words say why


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check."""

    about: str = NODE  # the node itself, or the name of a peer or destination
    check: str  # what was looked at, in a word or two
    outcome: Outcome
    measured: str  # what was found, with numbers
    tell: str = ""  # the line for the peer's administrator; '' where nobody has to be told
    write: str = ""  # what to write into config.yaml; '' where nothing has to be changed


def failed(findings: Sequence[Finding]) -> bool:
    """Whether any check failed."""
    return any(each.outcome is Outcome.FAILED for each in findings)


def findings_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings for machines."""
    return {"failed": failed(findings), "checks": [asdict(each) for each in findings]}
