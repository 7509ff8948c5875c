"""ctnode, dcm2niix, SimpleITK and dicom2nifti on the same files, as deploy/EDGES.md.

python -m tests.edges.compare          # writes deploy/EDGES.md; needs the `edges` extra and the real CT
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.edges import real
from tests.edges.corpus import CHAPTERS, EDGES, described, edges_of, files_of, write
from tests.edges.judging import Judged, Worth, judged
from tests.edges.ours import Ours, answer, ctnode
from tests.edges.readers import PEERS, Made
from tests.edges.stacks import Files
from tests.edges.table import Row, our_cell, peer_cell, tally
from tests.real_ct import SERIES, unpack

DOCUMENT = Path(__file__).resolve().parents[2] / "deploy" / "EDGES.md"
REAL = "Real series"
PINNED = {"dcm2niix": "1.0.20260724", "SimpleITK": "2.5.7", "dicom2nifti": "2.6.2"}
"""The versions that the document tells of."""

PREAMBLE = """\
# Edge cases: what ctnode and three converters make of the same files

Written by `python -m tests.edges.compare` from the series of `tests/edges`, and checked by
`tests/edges/test_document.py`: it cannot say what the programs did not do.
Not for diagnosis; research software.

For a PACS administrator: look up what your scanner or archive sends; the column *ctnode* is what
`ctnode analyze` and the node say of it, and why. For an engineer: the other columns are
{versions},
each as a user first runs it, with its default settings. They are good programs made for other ends: a
converter gives you an image of whatever you hand it; a node that feeds a model unattended must know when
not to.

How it is judged: every series is painted with a phantom whose HU are known at each place of the patient (the
last chapter: with a drawn trunk). What a program makes is read back at places that were scanned:

- **right**: every volume of the files, each value where it belongs, and no other volume; or rightly none
- **in parts**: nothing wrong, but one volume came out as several
- **refused**: no volume, and an error or a message
- **warned**: a volume that is wrong or lost, and a message, whether or not the message says so much
- **silent and wrong**: a volume that is wrong, joined, made up, shifted or lost, and not a word

*Joining what is apart*: two patients, two frames of reference, or an image of another modality in one volume.
*Made up*: a volume of images that are none, or values that no file holds. After each series: where the edge
is documented.

Of ctnode: **accept**, **split** (the series holds several volumes, or things that are none), **repair** (with
what was done), **hold** (not analysed, with the reason). A single image set apart is no volume and no fault.
"""


NOTES = {
    "left_and_right_exchanged": "a mirrored body cannot be told from a sound one with enough certainty",
}
"""What is to be known of our answer to an edge beside the verdict."""


def rows_of(chapter: str) -> tuple[Row, ...]:
    """The rows of one chapter, measured now."""
    if chapter == REAL:
        return tuple(real_row(name) for name in real.SERIES)
    return tuple(synthetic_row(name) for name in edges_of(CHAPTERS[chapter]))


@cache
def synthetic_row(name: str) -> Row:
    """One edge of the corpus, through all readers."""
    what, documented = described(EDGES[name])
    files = files_of(name)
    with tempfile.TemporaryDirectory() as scratch:
        folder = write(files, Path(scratch) / "series")
        return _row(name, what, documented, answer(name), folder, files)


@cache
def real_row(name: str) -> Row:
    """One real series, through all readers; raises FileNotFoundError where it is not there."""
    if not (SERIES / f"{name}.tar.xz").exists():
        raise FileNotFoundError(f"../shared/data/dicom/{name}.tar.xz")
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = unpack(name, Path(scratch))
        folder = Path(scratch) / "series"
        folder.mkdir()
        for n, path in enumerate(sorted(p for p in unpacked.rglob("*") if p.is_file())):
            shutil.move(path, folder / f"{n:03d}.dcm")
        files = Files(slices=(), truths=real.painted(folder))
        return _row(name, real.SERIES[name], "", ctnode(folder), folder, files)


def _row(name: str, what: str, documented: str, ours: Ours, folder: Path, files: Files) -> Row:
    def judge(made: Made) -> Judged:
        return judged(made, files.truths, files.foreign)

    return Row(
        name=name,
        what=what,
        documented=documented,
        ours=ours,
        our_worth=judge(ours.made),
        peers={peer: judge(read(folder)) for peer, read in PEERS.items()},
    )


def chapter_lines(chapter: str, rows: Sequence[Row]) -> Iterator[str]:
    """One chapter of the document."""
    yield f"## {chapter}"
    yield ""
    if chapter == REAL:
        yield "Real headers, pixels painted with the phantom: neighbours in a real body look too much alike."
        yield ""
    yield "| the files | ctnode | " + " | ".join(PEERS) + " |"
    yield "|---" * (2 + len(PEERS)) + "|"
    for row in rows:
        known = f" *{row.documented}*" if row.documented else ""
        cells = [
            f"`{row.name}`: {row.what}{known}",
            our_cell(row, NOTES.get(row.name)),
            *(peer_cell(row.peers[p]) for p in PEERS),
        ]
        yield "| " + " | ".join(cells) + " |"
    yield ""


def summary_of(rows: Sequence[Row]) -> Iterator[str]:
    """How often who did how."""
    yield "## In numbers"
    yield ""
    made = len(rows) - len(real.SERIES)
    yield f"{len(rows)} series, {made} made for this table and {len(real.SERIES)} real."
    yield ""
    yield "| | " + " | ".join(Worth) + " |"
    yield "|---" * (1 + len(Worth)) + "|"
    ours = {worth: sum(row.our_worth.worth is worth for row in rows) for worth in Worth}
    for name, counts in {"ctnode": ours, **{peer: tally(rows, peer) for peer in PEERS}}.items():
        yield f"| {name} | " + " | ".join(str(counts[worth]) for worth in Worth) + " |"
    yield ""


def preamble() -> str:
    """What stands before the first chapter."""
    return PREAMBLE.format(versions=", ".join(f"{name} {number}" for name, number in PINNED.items()))


def document() -> str:
    """The whole of deploy/EDGES.md."""
    chapters = {chapter: rows_of(chapter) for chapter in [*CHAPTERS, REAL]}
    lines = [preamble()]
    lines += summary_of([row for rows in chapters.values() for row in rows])
    for chapter, rows in chapters.items():
        lines += chapter_lines(chapter, rows)
    return "\n".join(lines).rstrip() + "\n"


def other_versions() -> str:
    """Why the document cannot be checked here: a peer is absent or of another version; '' where it can."""
    for name, pinned in PINNED.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            return f"{name} {pinned} is not installed"
        if found != pinned:
            return f"{name} is {found}, the document tells of {pinned}"
    return ""


def main() -> int:
    if why := other_versions():
        print(f"compare: {why}", file=sys.stderr)  # noqa: T201 a program run by hand
        return 2
    DOCUMENT.write_text(document(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
