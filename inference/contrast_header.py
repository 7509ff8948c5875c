"""What the header says of intravenous contrast medium (PS3.3 C.7.6.4). Pure."""

from __future__ import annotations

import re
from typing import Final

NONE_NAMED: Final = "absent or empty"
"""How Contrast/Bolus Agent (0018,0010) is quoted where it names none: the module is there only where contrast
medium was used (PS3.3 A.3.3), so its absence says that none was; many a scanner leaves it empty instead."""

DENIALS: Final = frozenset(
    {
        "NO", "NONE", "N", "NEGATIVE", "NATIVE", "NATIV", "UNENHANCED", "PLAIN", "WITHOUT", "WO",
        "NOCONTRAST", "NONCONTRAST", "WITHOUTCONTRAST", "WOCONTRAST", "NOIVCONTRAST", "WITHOUTIVCONTRAST",
        "NOTGIVEN", "NOTUSED", "NOTAPPLIED",
    }
)  # fmt: skip
"""Letters of an agent that says there was none."""

VAGUE: Final = frozenset({"NA", "UNKNOWN", "UNSPECIFIED", "UNK", "X", "OTHER"})
"""Letters of an agent that says nothing."""

INTRAVENOUS: Final = re.compile(r"\bI\.?V\b|INTRAVEN|\bVENOUS|INTRAARTERIAL|INTRA-ARTERIAL")
ELSEWHERE: Final = re.compile(
    r"\bORAL|\bP\.?O\b|PER OS|RECTAL|ENEMA|BARIUM|GASTROGRAFIN|GASTROVIEW|INTRATHECAL|INTRAARTICULAR"
    r"|INTRA-ARTICULAR|\bWATER\b"
)
"""Given otherwise, or not absorbed: of the vessels it says nothing."""


def tells_intravenous(agent: str | None, route: str | None) -> bool | None:
    """Whether a header says that intravenous contrast medium was given.

    Args:
        agent: Contrast/Bolus Agent (0018,0010).
        route: Contrast/Bolus Route (0018,1040).

    Returns:
        False where no agent is named; None where the header does not tell.
    """
    named, given = (agent or "").upper(), (route or "").upper()
    letters = re.sub(r"[^A-Z]", "", named)
    if letters in VAGUE or (named.strip() and not letters):
        return None
    if not letters or letters in DENIALS:
        return False
    if INTRAVENOUS.search(given) or INTRAVENOUS.search(named):
        return True
    return None if ELSEWHERE.search(given) or ELSEWHERE.search(named) else True
