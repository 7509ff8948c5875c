"""The page: a form, a wait, a result. It loads nothing from elsewhere, and works without its script."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

from starlette.responses import HTMLResponse, Response

from inference.report import NOT_FOR_DIAGNOSIS
from inference.workbench.prediction.outcome import Outcome
from inference.workbench.prediction.result_rows import Row, rows
from inference.workbench.prediction.settings import PredictionSettings

FOLDER: Final = Path(__file__).parent

TITLE: Final = "CT prediction"

RELOAD_S: Final = 3
"""Without a script, the waiting page loads itself again after so long."""

CLOSED: Final = (401, 403)
"""Who is told this gets neither style nor script."""

LINKED: Final = "<link rel='stylesheet' href='/page.css'><script src='/page.js' defer></script>"

HEADINGS: Final = {
    400: "These files cannot be analysed",
    401: "The token is missing",
    404: "There is nothing here",
    413: "Too much at once",
    503: "Busy",
}

PICTURE: Final = (
    "Frontal and sagittal projection of bone with region bands, T12, L3 and the score of each slice; "
    "the table that follows says the same in words."
)


def form_page(settings: PredictionSettings) -> Response:
    """Where files are chosen, or dropped."""
    limit = settings.upload_limit_mb
    content = (
        "<p>Send CT series: DICOM files, a folder of them, a zip archive, or NIfTI files (.nii, .nii.gz). "
        f"The files are removed when they are analysed. At most {limit} MB at once.</p>"
        "<form id='upload' method='post' action='/jobs' enctype='multipart/form-data' "
        f"data-limit-mb='{limit}'>"
        "<div id='drop'><p><label for='files'>Files</label> "
        "<input type='file' id='files' name='files' multiple aria-describedby='hint'></p>"
        "<p data-script hidden><label for='folder'>or a folder</label> "
        "<input type='file' id='folder' webkitdirectory></p>"
        "<p id='hint' data-script hidden>Files and folders can also be dropped into this frame.</p></div>"
        "<p><button type='submit'>Analyse</button></p></form>"
        "<p id='chosen' role='status'></p>"
        "<p><progress id='progress' max='1' value='0' aria-label='upload' hidden></progress></p>"
        "<p id='problem' role='alert'></p>"
    )
    return _page("Analyse CT", content)


def waiting_page(name: str, words: str) -> Response:
    """While the files wait or are analysed."""
    again = f"<noscript><meta http-equiv='refresh' content='{RELOAD_S}'></noscript>"
    content = (
        f"<p id='state' role='status' data-state='/jobs/{escape(name)}/state'>{escape(words)}</p>"
        "<p><progress id='progress' aria-label='series analysed'></progress></p>"
        "<p>This page shows the result as soon as it is there.</p>"
    )
    return _page("Analysing", content, head=again)


def message_page(status: int, words: str) -> Response:
    """What is said in the place of a page."""
    content = f"<p role='alert'>{escape(words)}</p>"
    back = "" if status in CLOSED else "<p><a href='/'>Send other files</a></p>"
    return _page(HEADINGS.get(status, "It did not work"), content + back, status=status)


def result_page(name: str, outcome: Outcome) -> Response:
    """The findings of every volume, or why there are none."""
    parts = []
    if outcome.error:
        parts.append(f"<p role='alert'>{escape(outcome.reason)}</p>")
    for number, report in enumerate(outcome.reports, start=1):
        drawn = number <= len(outcome.overlays) and bool(outcome.overlays[number - 1])
        address = f"/jobs/{escape(name)}/overlay/{number}.svg" if drawn else ""
        parts.append(_volume(number, rows(report), address))
    if outcome.reports:
        parts.append(_downloads(name))
    if outcome.ignored:
        parts.append(f"<p>Ignored: {escape(outcome.ignored)}.</p>")
    parts.append("<p><a href='/'>Send other files</a></p>")
    heading = HEADINGS.get(outcome.status, "It did not work") if outcome.error else "Result"
    return _page(heading, "".join(parts), status=outcome.status)


def _volume(number: int, found: tuple[Row, ...], picture: str) -> str:
    body = "".join(
        f"<tr><th scope='row'>{escape(row.name)}</th><td>{escape(row.value)}</td><td>{escape(row.sure)}</td>"
        f"<td>{escape(row.remark)}</td></tr>"
        for row in found
    )
    figure = (
        f"<figure><img src='{picture}' alt='{escape(PICTURE)}'>"
        f"<figcaption><a href='{picture}?save=true' download>Save this picture (SVG)</a></figcaption>"
        "</figure>"
        if picture
        else ""
    )
    return (
        f"<section aria-labelledby='volume-{number}'><h2 id='volume-{number}'>Volume {number}</h2>{figure}"
        f"<div class='scroll' tabindex='0' role='region' aria-label='findings of volume {number}'><table>"
        f"<caption>Findings. {NOT_FOR_DIAGNOSIS}.</caption><thead><tr><th scope='col'>what</th>"
        "<th scope='col'>value</th><th scope='col'>confidence</th><th scope='col'>remarks</th></tr></thead>"
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _downloads(name: str) -> str:
    files = (
        ("report.json", "all findings, as ctnode analyze writes them (JSON)"),
        ("findings.csv", "one line a volume (CSV)"),
    )
    links = "".join(
        f"<li><a href='/jobs/{escape(name)}/{file}' download>{escape(words)}</a></li>"
        for file, words in files
    )
    return f"<section aria-labelledby='downloads'><h2 id='downloads'>Downloads</h2><ul>{links}</ul></section>"


def _page(heading: str, content: str, *, status: int = 200, head: str = "") -> Response:
    title = f"{heading} - {TITLE}"
    linked = "" if status in CLOSED else LINKED
    return HTMLResponse(
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><link rel='icon' href='data:,'>{linked}{head}</head><body>"
        "<a class='skip' href='#main'>Skip to the content</a>"
        f"<header><p><strong>{TITLE}</strong></p><p class='notice'>{NOT_FOR_DIAGNOSIS}</p></header>"
        f"<main id='main'><h1>{escape(heading)}</h1>{content}</main></body></html>\n",
        status_code=status,
    )
