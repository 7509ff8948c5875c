"""Body Part Examined, Contrast/Bolus Agent and orientation of each volume, held against its pixels. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from inference.agreement import named_regions
from inference.findings import Axis, Contrast
from inference.report import UNDETERMINED, Report
from inference.workbench.tag_terms import MISSING, Agent, TermKind, agent_of, term_of

SPANNING: Final = frozenset({"COLON", "LSPINE", "LSSPINE", "TLSPINE", "CTSPINE", "HIP", "ESOPHAGUS", "JAW"})
"""Terms of one organ that reaches through several regions: it may be imaged in one of them alone."""

UNKNOWN_MAKER: Final = "(manufacturer missing)"

COLUMNS: Final = (
    "series_instance_uid", "volume", "manufacturer", "body_part_tag", "body_part_term", "body_part_pixels",
    "body_part_verdict", "contrast_tag", "contrast_pixels", "contrast_verdict", "orientation_tag",
    "orientation_pixels", "orientation_verdict",
)  # fmt: skip
"""Of tags.csv."""


class TagVerdict(StrEnum):
    """What becomes of a tag when it is held against the pixels."""

    AGREES = "agrees"
    TOO_NARROW = "too narrow"  # names a part of what is imaged
    TOO_WIDE = "too wide"  # names regions that are not imaged as well
    CONTRADICTED = "contradicted"
    VAGUE = "vague"  # says nothing that could be held against pixels
    MISSING = "missing"
    UNTOLD = "pixels do not tell"


class Tag(StrEnum):
    """The tags that are audited."""

    BODY_PART = "BodyPartExamined"
    CONTRAST = "ContrastBolusAgent"
    ORIENTATION = "ImageOrientationPatient"


@dataclass(frozen=True, kw_only=True)
class Tags:
    """What the header of a volume says; None where it says nothing."""

    body_part: str | None  # (0018,0015)
    contrast: str | None  # (0018,0010)
    manufacturer: str | None  # (0008,0070)


@dataclass(frozen=True, kw_only=True)
class Audited:
    """One volume's tags, held against its pixels."""

    series_instance_uid: str
    volume: int
    manufacturer: str
    tags: Tags
    term: str  # Body Part Examined in one spelling
    term_kind: TermKind
    agent: Agent
    body_part: str  # by the pixels
    contrast: str
    orientation_tag: str
    orientation: str  # by the pixels
    verdicts: Mapping[Tag, TagVerdict]


def audit(report: Report, tags: Tags) -> Audited:
    """One analysed volume.

    Args:
        report: of `ctnode analyze`; eligible.
        tags: of the header of any of its slices.
    """
    term, kind = term_of(tags.body_part)
    agent = agent_of(tags.contrast)
    axis = report["axis"]
    return Audited(
        series_instance_uid=report["series_instance_uid"],
        volume=report["volume"],
        manufacturer=(tags.manufacturer or "").strip().upper() or UNKNOWN_MAKER,
        tags=tags,
        term=term,
        term_kind=kind,
        agent=agent,
        body_part=report["body_part"]["value"],
        contrast=report["contrast"]["value"],
        orientation_tag=axis["from_header"],
        orientation=axis["from_pixels"],
        verdicts={
            Tag.BODY_PART: _body_part(term, kind, report),
            Tag.CONTRAST: _contrast(agent, report["contrast"]["value"]),
            Tag.ORIENTATION: _orientation(axis["from_header"], axis["from_pixels"]),
        },
    )


def _body_part(term: str, kind: TermKind, report: Report) -> TagVerdict:
    if kind is TermKind.MISSING:
        return TagVerdict.MISSING
    if kind in (TermKind.VAGUE, TermKind.FREE_TEXT):
        return TagVerdict.VAGUE
    part = report["body_part"]
    if part["value"] == UNDETERMINED:
        return TagVerdict.UNTOLD
    named = {str(region) for region in named_regions(term)}
    seen = {str(extent["region"]) for extent in part["regions"]}
    if not named & seen:
        return TagVerdict.CONTRADICTED
    if named - seen and term not in SPANNING:
        return TagVerdict.TOO_WIDE
    imaged = {word.lower() for word in part["value"].split("-")}
    return TagVerdict.TOO_NARROW if imaged - named else TagVerdict.AGREES


def _contrast(agent: Agent, pixels: str) -> TagVerdict:
    """An absent agent agrees with pixels that show no contrast medium, and is missing otherwise."""
    if agent is Agent.UNCLEAR:
        return TagVerdict.VAGUE
    if pixels == Contrast.UNDETERMINED:
        return TagVerdict.MISSING if agent is Agent.MISSING else TagVerdict.UNTOLD
    given = pixels == Contrast.YES
    if agent is Agent.MISSING:
        return TagVerdict.MISSING if given else TagVerdict.AGREES
    return TagVerdict.AGREES if given == (agent is Agent.INTRAVENOUS) else TagVerdict.CONTRADICTED


def _orientation(header: str, pixels: str) -> TagVerdict:
    if header == Axis.UNDETERMINED:
        return TagVerdict.MISSING
    if pixels == Axis.UNDETERMINED or header == Axis.OBLIQUE:
        return TagVerdict.UNTOLD
    return TagVerdict.AGREES if header == pixels else TagVerdict.CONTRADICTED


def row(one: Audited) -> Sequence[object]:
    """Of tags.csv."""
    return (
        one.series_instance_uid, one.volume, one.manufacturer, one.tags.body_part or "", one.term,
        one.body_part, one.verdicts[Tag.BODY_PART], one.agent, one.contrast, one.verdicts[Tag.CONTRAST],
        one.orientation_tag, one.orientation, one.verdicts[Tag.ORIENTATION],
    )  # fmt: skip


def verdict_counts(audited: Iterable[Audited], tag: Tag) -> dict[str, int]:
    """How many volumes have each verdict, in the order of TagVerdict."""
    counts = Counter(one.verdicts[tag] for one in audited)
    return {verdict.value: counts[verdict] for verdict in TagVerdict if counts[verdict]}


def by_manufacturer(audited: Sequence[Audited], tag: Tag) -> dict[str, dict[str, int]]:
    """The same for each manufacturer, the one with most volumes first."""
    makers = [maker for maker, _ in Counter(one.manufacturer for one in audited).most_common()]
    return {
        maker: verdict_counts([one for one in audited if one.manufacturer == maker], tag) for maker in makers
    }


def spellings(values: Iterable[tuple[str | None, int]]) -> dict[str, dict[str, int]]:
    """Term -> spelling as it stands -> how often; most frequent terms first.

    Args:
        values: values of Body Part Examined, and how many series have each.
    """
    found: dict[str, Counter[str]] = {}
    for value, count in values:
        term, _ = term_of(value)
        found.setdefault(term, Counter())[(value or "").strip() or MISSING] += count
    order = sorted(found, key=lambda term: (-found[term].total(), term))
    return {term: dict(found[term].most_common()) for term in order}
