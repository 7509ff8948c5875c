"""deploy/EDGES.md says what the programs do: each chapter is made anew and compared line by line."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.edges.compare import (
    DOCUMENT,
    REAL,
    chapter_lines,
    other_versions,
    preamble,
    rows_of,
    summary_of,
    synthetic_row,
)
from tests.edges.corpus import CHAPTERS
from tests.edges.judging import Worth
from tests.edges.readers import PEERS
from tests.real_ct import SERIES

pytestmark = pytest.mark.skipif(
    bool(other_versions()), reason=f"the edges extra is not installed as pinned: {other_versions()}"
)


def written() -> dict[str, list[str]]:
    """The document's lines by chapter; '' is what stands before the first."""
    chapters: dict[str, list[str]] = {"": []}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            chapters[line.removeprefix("## ")] = []
        chapters[list(chapters)[-1]].append(line)
    return {title: "\n".join(lines).rstrip().splitlines() for title, lines in chapters.items()}


def made(lines: Iterable[str]) -> list[str]:
    return "\n".join(lines).rstrip().splitlines()


def test_no_chapter_is_left_out() -> None:
    assert list(written()) == ["", "In numbers", *CHAPTERS, REAL]


def test_the_preamble_tells_of_the_pinned_versions() -> None:
    assert written()[""] == preamble().rstrip().splitlines()


def test_the_peers_are_run_as_they_should_be() -> None:
    row = synthetic_row("sound_axial")

    assert {peer: judged.worth for peer, judged in row.peers.items()} == dict.fromkeys(PEERS, Worth.RIGHT)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_tells_what_the_programs_do(chapter: str) -> None:
    assert made(chapter_lines(chapter, rows_of(chapter))) == written()[chapter]


@pytest.mark.data
def test_the_real_series_are_told_as_they_are() -> None:
    if not SERIES.is_dir():
        pytest.skip("real CT not found: ../shared/data/dicom")

    assert made(chapter_lines(REAL, rows_of(REAL))) == written()[REAL]


@pytest.mark.data
def test_the_numbers_are_those_of_the_rows() -> None:
    if not SERIES.is_dir():
        pytest.skip("real CT not found: ../shared/data/dicom")
    rows = [row for chapter in [*CHAPTERS, REAL] for row in rows_of(chapter)]

    assert made(summary_of(rows)) == written()["In numbers"]
