"""What is written into Body Part Examined (0018,0015) and Contrast/Bolus Agent (0018,0010), in one spelling.

Defined Terms are those of PS3.16 Annex L. What is written otherwise is brought to a Defined Term by a table
where it means one, as the Imaging Data Commons cleans it; what means none is left as it is: free text. Pure.
"""

from __future__ import annotations

import re
import unicodedata
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


_PARTS: Final = re.compile(r"[;,&+]|\bAND\b|\bBUT\b")
"""Between what is said of one medium and of another."""

_DENIED: Final = re.compile(r"(NONE|NOT?|NON|N|N/?A|NIL|0|WITHOUT|W/?O|NATIVE?|UNENHANCED|PLAIN|NEGATIVE)\b")
"""How a part begins that says that something was not given."""

_ORAL: Final = re.compile(
    r"\b(ORAL|PO|P\.O|GASTRO\w*|BARIUM|READI-?CAT|WATER|RECTAL|PERORAL|PER OS|TELEBRIX GASTRO|VOLUMEN)\b"
)
_VEIN: Final = re.compile(
    r"\b(IV\b|I\.V\b|INTRAVENOUS|OMNI\w*|ISOVUE\w*|ULTRAVIST\w*|VISIPAQUE\w*|OPTIRAY\w*|IOMERON\w*|IOHEXOL\w*"
    r"|IOPAMID\w*|IOPAMIRO\w*|IODIXANOL\w*|IOVERSOL\w*|IOPROMID\w*|IOMEPROL\w*|XENETIX\w*|OXILAN\w*|HEXABRIX\w*"
    r"|ACCUPAQUE\w*|IMERON\w*|NIOPAM\w*|CONRAY\w*)"
)
_GIVEN: Final = re.compile(r"\b(APPLIED|YES|Y|CE|CONTRAST|CM|KM|WITH|IODINE\w*|NON[- ]?IONIC)\b")


def term_of(value: str | None) -> tuple[str, TermKind]:
    """A value of Body Part Examined in one spelling, and its kind."""
    text = _plain(value)
    letters = re.sub(r"[^A-Z]", "", text)
    if not letters:
        return (text, TermKind.FREE_TEXT) if any(map(str.isalpha, text)) else (MISSING, TermKind.MISSING)
    if letters in SYNONYMS:
        return SYNONYMS[letters], TermKind.NORMALISED
    if letters in VAGUE:
        return letters, TermKind.VAGUE
    if letters in TERM_REGIONS:
        as_it_stands = letters == (value or "").strip().upper()
        return letters, TermKind.TERM if as_it_stands else TermKind.NORMALISED
    return _within(text)


def _plain(value: str | None) -> str:
    """In capitals, without accents, wide letters made narrow, and blanks single: "Abdomén " is ABDOMEN."""
    parts = unicodedata.normalize("NFKD", value or "")
    return " ".join("".join(c for c in parts if not unicodedata.combining(c)).upper().split())


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
    """What a value of Contrast/Bolus Agent says; where both are named, the intravenous one counts.

    "NO IV CONTRAST" denies, "NO ORAL; OMNIPAQUE 350" denies the one and names the other.
    """
    text = _plain(value)
    if not text:
        return Agent.MISSING
    parts = [part.strip() for part in _PARTS.split(text) if part.strip()]
    named = " ; ".join(part for part in parts if not _denies(part))
    if not named:
        return Agent.NONE if any(map(_denies, parts)) else Agent.UNCLEAR
    if _VEIN.search(named):
        return Agent.INTRAVENOUS
    if _ORAL.search(named):
        return Agent.ORAL_ONLY
    return Agent.INTRAVENOUS if _GIVEN.search(named) else Agent.UNCLEAR


def _denies(part: str) -> bool:
    """Whether a part says that nothing was given; "NON-IONIC" is what was given."""
    return bool(_DENIED.match(part)) and not re.match(r"NON[- ]?IONIC", part)
