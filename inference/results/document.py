"""The findings as a PDF: the chart, then everything in words, so that it can be searched and copied.

The same arguments give the same bytes: reportlab's invariant mode writes no time and no random identifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from io import BytesIO
from typing import Any, Final
from xml.sax.saxutils import escape

from PIL import Image as Raster
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table
from reportlab.platypus.doctemplate import LayoutError
from reportlab.platypus.flowables import Flowable, Image, KeepTogether, Spacer

from inference.findings import Findings, RegionExtent
from inference.results.picture import PAPER, chart_scene, drawn
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Provenance
from inference.results.statements import UNREVIEWED, Statements, readable, statements_of
from inference.volume import Volume

MARGIN_MM: Final = 16
FRAME_MM: Final = 6 / 72 * 25.4
"""Within the margins, around everything that flows."""

CHART_MM: Final = (172.0, 132.0)
"""Greatest width and height of the chart: the rest of the first page has the findings."""

NO_CHART: Final = "There is no picture: the volume is one plane without thickness."

REGULAR: Final = "Vera"
BOLD: Final = "VeraBd"

TEXT: Final = ParagraphStyle("text", fontName=REGULAR, fontSize=8.5, leading=11)
NAME: Final = ParagraphStyle("name", parent=TEXT, textColor=colors.HexColor("#505050"))
STRONG: Final = ParagraphStyle("strong", parent=TEXT, fontName=BOLD)
HEADING: Final = ParagraphStyle(
    "heading", parent=STRONG, fontSize=10.5, leading=14, spaceBefore=8, spaceAfter=3
)
TITLE: Final = ParagraphStyle("title", parent=STRONG, fontSize=16, leading=20)
CAUTION: Final = ParagraphStyle("caution", parent=STRONG, fontSize=10.5, textColor=colors.HexColor("#a04600"))

LINES: Final = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.HexColor("#cccccc")),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 2),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
]

AS_TEXT: Final[dict[str, Any]] = {"style": LINES, "repeatRows": 1, "hAlign": "LEFT"}
"""Tables begin where the text does, and their titles are on every page."""


def document(
    volume: Volume, findings: Findings, provenance: Provenance, image_names: Sequence[str] = ()
) -> bytes:
    """A whole PDF. No patient data is in it.

    Args:
        volume: that the findings are of.
        findings: of the volume.
        provenance: of the results.
        image_names: what a reader calls each slice, in slice order; empty where that is not known.

    Raises:
        ValueError: a remark is longer than a page.
    """
    _register_fonts()
    said = statements_of(volume, findings, provenance, image_names)
    made = BytesIO()
    template = SimpleDocTemplate(
        made,
        pagesize=A4,
        leftMargin=MARGIN_MM * mm,
        rightMargin=MARGIN_MM * mm,
        topMargin=MARGIN_MM * mm,
        bottomMargin=MARGIN_MM * mm,
        title=said.title,
        author=PRODUCT,
        creator=said.origin[0],
        subject=f"{NOT_FOR_DIAGNOSIS}. {UNREVIEWED}",
        lang="en-US",
        invariant=1,
    )
    story = [
        *_opening(said),
        _chart(volume, findings, image_names),
        *_findings(said),
        *_section("Header and pixels", (*said.contradictions, *filter(None, [said.agreement]))),
        *_section("What to know", said.doubts),
        *_regions(findings.body_part.regions, image_names),
        *_section("Made by", (*_origin(said, findings, provenance), UNREVIEWED)),
    ]
    try:
        template.build(story, onFirstPage=_foot, onLaterPages=_foot)
    except LayoutError as error:
        raise ValueError("a remark is longer than a page") from error
    return made.getvalue()


@cache
def _register_fonts() -> None:
    """Bitstream Vera, which reportlab brings; embedded, as a reader may not have it."""
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))


def _opening(said: Statements) -> Iterator[Flowable]:
    yield _paragraph(said.title[0].upper() + said.title[1:], TITLE)
    yield _paragraph(said.subtitle, NAME)
    yield _paragraph(NOT_FOR_DIAGNOSIS, CAUTION)
    yield Spacer(1, 3 * mm)


def _chart(volume: Volume, findings: Findings, image_names: Sequence[str]) -> Flowable:
    scene = chart_scene(volume, findings, image_names)
    if scene is None:
        return _paragraph(NO_CHART, TEXT)
    file = BytesIO()
    Raster.fromarray(drawn(scene, PAPER)).save(file, "PNG")
    file.seek(0)
    scale = min(CHART_MM[0] / scene.width, CHART_MM[1] / scene.height) * mm
    return Image(file, width=scene.width * scale, height=scene.height * scale, hAlign="LEFT")


def _findings(said: Statements) -> Iterator[Flowable]:
    rows = [
        [
            _paragraph(each.name, NAME),
            _paragraph(each.value, STRONG),
            _paragraph(each.confidence, TEXT),
            _paragraph(each.remark, TEXT),
        ]
        for each in said.findings
    ]
    titles = [_paragraph(text, NAME) for text in ("", "Finding", "Confidence", "Remark")]
    yield _paragraph("Findings", HEADING)
    yield Table([titles, *rows], colWidths=[24 * mm, 56 * mm, 20 * mm, 72 * mm], **AS_TEXT)


def _regions(extents: Iterable[RegionExtent], image_names: Sequence[str]) -> Iterator[Flowable]:
    rows = [
        [
            _paragraph(extent.region.capitalize(), STRONG),
            _paragraph(f"{extent.start_mm:z.0f} to {extent.end_mm:z.0f} mm", TEXT),
            _paragraph(_images(extent, image_names), TEXT),
        ]
        for extent in extents
    ]
    if not rows:
        return
    titles = [_paragraph(text, NAME) for text in ("Region", "z of the patient", "Images at its ends")]
    table = Table([titles, *rows], colWidths=[24 * mm, 56 * mm, 92 * mm], **AS_TEXT)
    yield KeepTogether([_paragraph("Regions", HEADING), table])


def _images(extent: RegionExtent, image_names: Sequence[str]) -> str:
    ends = (extent.first_slice, extent.last_slice)
    return " to ".join(image_names[n] if n < len(image_names) else f"slice {n + 1}" for n in ends)


def _origin(said: Statements, findings: Findings, provenance: Provenance) -> Iterator[str]:
    yield "; ".join(said.origin)
    yield f"whole SHA-256 of the weights: {readable(findings.model.sha256)}"
    yield from (readable(line) for line in provenance.algorithm_parameters)


def _section(title: str, lines: Sequence[str]) -> Iterator[Flowable]:
    if lines:
        first, *others = [_paragraph(f"- {line}", TEXT) for line in lines]
        yield KeepTogether([_paragraph(title, HEADING), first])
        yield from others


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(text), style)


def _foot(canvas: Canvas, _template: Any) -> None:
    canvas.setFont(REGULAR, 7.5)
    inset = (MARGIN_MM + FRAME_MM) * mm
    canvas.drawString(inset, 9 * mm, NOT_FOR_DIAGNOSIS)
    canvas.drawRightString(A4[0] - inset, 9 * mm, f"page {canvas.getPageNumber()}")
