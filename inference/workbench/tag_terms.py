"""What is written into Body Part Examined (0018,0015) and Contrast/Bolus Agent (0018,0010), in one spelling.

Defined Terms are those of PS3.16 Annex L. What is written otherwise is brought to a Defined Term by a table
where it means one, as the Imaging Data Commons cleans it; what means none is left as it is: free text. Pure.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from inference.agreement import TERM_REGIONS, named_regions

MISSING: Final = "(missing)"

SYNONYMS: Final = {
    "CAP": "CHESTABDPELVIS",
    "CHABDPELV": "CHESTABDPELVIS",
    "CHESTTOPELVIS": "CHESTABDPELVIS",
    "CHESTABDOMENPELVIS": "CHESTABDPELVIS",
    "THORAXABDPELV": "CHESTABDPELVIS",
    "THORAXABD": "CHESTABDOMEN",
    "THORAXABDOMEN": "CHESTABDOMEN",
    "CHESTABD": "CHESTABDOMEN",
    "ABD": "ABDOMEN",
    "ABDPEL": "ABDOMENPELVIS",
    "ABDPELVIS": "ABDOMENPELVIS",
    "ABDOMENANDPELVIS": "ABDOMENPELVIS",
    "HEADANDNECK": "HEADNECK",
    "NECKTOPELVIS": "NECKCHESTABDPELV",
    "NECKCHESTABDPEL": "NECKCHESTABDPELV",
    "CERVICALSPINE": "CSPINE",
    "THORACICSPINE": "TSPINE",
    "LUMBARSPINE": "LSPINE",
    "LUMBOSACRALSPINE": "LSSPINE",
    "LUMBOSACRALSP": "LSSPINE",
    "THORAX": "CHEST",
    "ORBITS": "ORBIT",
    "SINUSES": "SINUS",
}
"""Letters alone -> Defined Term."""

LATER: Final = ("TH", "CT", "BD", "WO", "W", "C", "CONTRAST", "WITH", "WITHOUT", "AND", "IV")
"""Words of protocol names that surround a body part: "TH CT CHEST WO C"."""

VAGUE: Final = frozenset(
    {"WHOLEBODY", "EXTREMITY", "SPINE", "PHANTOM", "AORTA", "TRUNK", "BODY", "OTHER", "UNKNOWN"}
)
"""Terms that name no region of ours, or all of them."""


class TermKind(StrEnum):
    """How well a value of Body Part Examined says what was imaged."""

    MISSING = "missing"
    TERM = "term"  # names regions, as it stands
    NORMALISED = "normalised"  # names regions, in other words
    VAGUE = "vague"  # a term that names no region: WHOLEBODY, EXTREMITY
    FREE_TEXT = "free text"  # means nothing to a program


class Agent(StrEnum):
    """What Contrast/Bolus Agent says of intravenous contrast medium."""

    MISSING = "missing"
    INTRAVENOUS = "intravenous"
    ORAL_ONLY = "oral or rectal only"
    NONE = "none"  # says that none was given
    UNCLEAR = "unclear"  # something was given


_ORAL: Final = re.compile(
    r"\b(ORAL|PO|GASTRO\w*|BARIUM|READI-?CAT|WATER|RECTAL|PERORAL|TELEBRIX GASTRO|VOLUMEN)\b"
)
_NOTHING: Final = re.compile(
    r"(NONE|NO|N|N/A|NA|0|WITHOUT.*|W/?O.*|NATIVE|NATIV|UNENHANCED|NON[- ]?CONTRAST)"
)
_VEIN: Final = re.compile(
    r"\b(IV|I\.V\.|INTRAVENOUS|OMNI\w*|ISOVUE\w*|ULTRAVIST\w*|VISIPAQUE\w*|OPTIRAY\w*|IOMERON\w*|IOHEXOL\w*"
    r"|IOPAMID\w*|IOPAMIRO\w*|IODIXANOL\w*|IOVERSOL\w*|IOPROMID\w*|IOMEPROL\w*|XENETIX\w*|OXILAN\w*|HEXABRIX\w*"
    r"|ACCUPAQUE\w*|IMERON\w*|NIOPAM\w*|CONRAY\w*)"
)
_GIVEN: Final = re.compile(r"\b(APPLIED|YES|Y|CE|CONTRAST|CM|KM|WITH|IODINE\w*|NON[- ]?IONIC)\b")


def term_of(value: str | None) -> tuple[str, TermKind]:
    """A value of Body Part Examined in one spelling, and its kind."""
    text = (value or "").strip().upper()
    letters = re.sub(r"[^A-Z]", "", text)
    if not letters:
        return MISSING, TermKind.MISSING
    if letters in SYNONYMS:
        return SYNONYMS[letters], TermKind.NORMALISED
    if letters in VAGUE:
        return letters, TermKind.VAGUE
    if letters in TERM_REGIONS:
        return letters, TermKind.TERM if letters == text else TermKind.NORMALISED
    return _within(text)


def _within(text: str) -> tuple[str, TermKind]:
    """A body part among the words of a protocol, if it is the only thing said."""
    words = [w for w in re.findall(r"[A-Z]+", text) if w not in LATER]
    whole = "".join(words)
    for candidate in (whole, *([words[0]] if len(set(words)) == 1 else [])):
        term = SYNONYMS.get(candidate, candidate)
        if term in TERM_REGIONS:
            return term, TermKind.NORMALISED
    named = {SYNONYMS.get(w, w) for w in words if SYNONYMS.get(w, w) in TERM_REGIONS}
    if len({frozenset(named_regions(term)) for term in named}) == 1:
        return min(named), TermKind.NORMALISED
    return text, TermKind.FREE_TEXT


def agent_of(value: str | None) -> Agent:
    """What a value of Contrast/Bolus Agent says; where both are named, the intravenous one counts."""
    text = (value or "").strip().upper()
    if not text:
        return Agent.MISSING
    if _NOTHING.fullmatch(text):
        return Agent.NONE
    if _VEIN.search(text):
        return Agent.INTRAVENOUS
    if _ORAL.search(text):
        return Agent.ORAL_ONLY
    return Agent.INTRAVENOUS if _GIVEN.search(text) else Agent.UNCLEAR
