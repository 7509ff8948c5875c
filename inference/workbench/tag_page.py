"""The page of a tag audit: pies, tables by manufacturer, spellings. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from inference.report import NOT_FOR_DIAGNOSIS
from inference.workbench import svg
from inference.workbench.page import Column, page_of, section, table
from inference.workbench.tag_audit import (
    COLUMNS,
    Audited,
    Tag,
    TagVerdict,
    by_manufacturer,
    row,
    spellings,
    verdict_counts,
)

MEANING: Final = (
    "agrees: tag and pixels name the same regions. too narrow: the tag leaves out a region that is imaged. "
    "too wide: it names one that is not. contradicted: none of what it names is imaged. vague: WHOLEBODY, "
    "EXTREMITY, free text. missing: no value; of the contrast agent, where contrast medium is seen or it "
    "cannot be told. pixels do not tell: the models cannot say."
)


def tag_page(audited: Sequence[Audited], refused: int) -> str:
    """The page of analysed volumes."""
    told = f"{len(audited)} volumes, {refused} more refused by the gate. {NOT_FOR_DIAGNOSIS}."
    pies = [svg.pie(tag.value, verdict_counts(audited, tag)) for tag in Tag] if audited else []
    makers = [
        section(
            f"{tag.value} by manufacturer",
            counts_table(
                f"makers{n}", "manufacturer", by_manufacturer(audited, tag), [v.value for v in TagVerdict]
            ),
        )
        for n, tag in enumerate(Tag)
    ]
    columns = [Column(name, number=name == "volume") for name in COLUMNS]
    rows = [[str(value) for value in row(one)] for one in audited]
    written = spellings((one.tags.body_part, 1) for one in audited)
    return page_of(
        "Tags against pixels",
        [
            f"<p>{escape(told)}</p><p>{escape(MEANING)}</p>",
            section("Verdicts", "<div class='plots'>" + "".join(pies) + "</div>"),
            *makers,
            section("Body Part Examined, in one spelling", spelling_table(written)),
            section("Volumes", table("volumes", columns, rows)),
        ],
    )


def counts_table(
    name: str, heading: str, counts: Mapping[str, Mapping[str, int]], columns: Sequence[str]
) -> str:
    """One line for each key, with a column for each value and their sum."""
    heads = [Column(heading), *(Column(c, number=True) for c in (*columns, "all"))]
    rows = [
        [key, *(str(own.get(c, 0)) for c in columns), str(sum(own.values()))] for key, own in counts.items()
    ]
    return table(name, heads, rows)


def spelling_table(written: Mapping[str, Mapping[str, int]]) -> str:
    """Terms, how often, and as what they are written."""
    rows = [
        [term, str(sum(own.values())), "; ".join(f"{text} ({n})" for text, n in own.items())]
        for term, own in written.items()
    ]
    return table("terms", [Column("term"), Column("series", number=True), Column("written as")], rows)
