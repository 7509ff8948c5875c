"""A self-contained HTML page: sections, and tables that the keyboard sorts and filters. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
"""Nothing is loaded, from anywhere."""

STYLE: Final = """
:root{color-scheme:light}
body{font:15px/1.45 system-ui,'DejaVu Sans',Arial,sans-serif;color:#1b1b1b;background:#fff;margin:1.5rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;border-bottom:2px solid #1f4e79;padding-bottom:.2rem;margin-top:2rem}
:focus-visible{outline:3px solid #1f4e79;outline-offset:2px}
.skip{position:absolute;left:-999rem}.skip:focus{position:static}
.plots{display:flex;flex-wrap:wrap;gap:1rem}.scroll{overflow:auto;max-height:80vh;border:1px solid #9aa7b4}
svg,img{max-width:100%;height:auto}figure{margin:0}h1,p,li{overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:.86rem}
th,td{border:1px solid #c6ced6;padding:.25rem .45rem;text-align:left;vertical-align:top}
td:first-child,td:last-child{overflow-wrap:anywhere;min-width:11rem}
td.number,th.number{text-align:right}
thead th{position:sticky;top:0;background:#eef2f6}
th button{font:inherit;font-weight:bold;background:none;border:0;padding:.1rem;cursor:pointer}
th button{text-align:inherit;color:inherit}
th[aria-sort=ascending] button::after{content:' \\25B2'}
th[aria-sort=descending] button::after{content:' \\25BC'}
label{display:block;margin:.4rem 0}input{font:inherit;width:24rem;max-width:100%}
@media print{.scroll{overflow:visible;max-height:none}label{display:none}}
"""

SCRIPT: Final = """
for(const table of document.querySelectorAll('table.sorts')){
 const body=table.tBodies[0], status=document.getElementById(table.id+'-status'),
  filter=document.getElementById(table.id+'-filter'), key=c=>c.textContent.trim();
 table.querySelectorAll('th button').forEach((button,n)=>button.addEventListener('click',()=>{
  const th=button.parentElement, up=th.getAttribute('aria-sort')!=='ascending';
  const numbers=th.classList.contains('number');
  for(const other of table.querySelectorAll('th'))other.removeAttribute('aria-sort');
  th.setAttribute('aria-sort',up?'ascending':'descending');
  const value=row=>{const t=key(row.cells[n]);const x=parseFloat(t);return numbers?(isNaN(x)?Infinity:x):t};
  const rows=[...body.rows].map(r=>[value(r),r]);
  rows.sort((a,b)=>{const d=numbers?a[0]-b[0]:a[0].localeCompare(b[0]);return (d||0)*(up?1:-1)});
  for(const [,row] of rows)body.appendChild(row);
  status.textContent='sorted by '+button.textContent+(up?', rising':', falling');
 }));
 filter.addEventListener('input',()=>{
  const words=filter.value.toLowerCase().split(/\\s+/);let shown=0;
  for(const row of body.rows){const t=row.textContent.toLowerCase();
   row.hidden=!words.every(w=>t.includes(w));shown+=!row.hidden}
  status.textContent=shown+' of '+body.rows.length+' rows shown';
 });
}
"""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    heading: str
    number: bool = False  # sorted by value and set to the right; what is no number comes last


def page_of(title: str, parts: Sequence[str]) -> str:
    """A whole page."""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        "<a class='skip' href='#main'>Skip to the content</a>"
        f"<main id='main'><h1>{escape(title)}</h1>{''.join(parts)}</main>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def section(heading: str, content: str) -> str:
    """A part of a page."""
    return f"<section><h2>{escape(heading)}</h2>{content}</section>"


def table(name: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """A table with a filter, sorted by the buttons in its headings; name is its id in the page."""
    heads = "".join(
        f"<th scope='col'{_kind(c)}><button type='button'>{escape(c.heading)}</button></th>" for c in columns
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{_kind(c)}>{escape(v)}</td>" for c, v in zip(columns, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f"<label for='{name}-filter'>Rows that hold all of these words: "
        f"<input id='{name}-filter' type='search'></label>"
        f"<p id='{name}-status' role='status'>{len(rows)} rows</p>"
        f"<div class='scroll' tabindex='0' role='region' aria-label='{escape(name)}'>"
        f"<table class='sorts' id='{name}'><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _kind(column: Column) -> str:
    return " class='number'" if column.number else ""
