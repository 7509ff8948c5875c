"""Each check of the harness tells what it is there for, and nothing of a node that kept its promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.crash.checks import Finding, missing, stuck, twice, wrong_bytes, wrong_counts
from tests.crash.content import sha256
from tests.crash.journal import Noted
from tests.crash.stored import NoBytes, Row, SeriesRow, data_set_digest, file_of

HEAD = b"\0" * 128 + b"DICM" + b"\x02\0\0\0UL\x04\0" + (12).to_bytes(4, "little") + b"twelve bytes"


@dataclass(kw_only=True)
class World:
    """Two instances of one series, both acknowledged and stored."""

    rows: list[Row] = field(
        default_factory=lambda: [
            Row(
                sop_instance_uid=f"1.{n}",
                series_instance_uid="1",
                path=f"p{n}",
                digest="d",
                size_bytes=9,
            )
            for n in (1, 2)
        ]
    )
    series: list[SeriesRow] = field(
        default_factory=lambda: [
            SeriesRow(series_instance_uid="1", state="analysed", instances=2, last_received_at=0.0)
        ]
    )
    noted: dict[str, Noted] = field(
        default_factory=lambda: {
            f"1.{n}": Noted(
                series_instance_uid="1", digest=f"sha of p{n}", acknowledged=1, acknowledged_at=5.0
            )
            for n in (1, 2)
        }
    )

    def read(self, path: str) -> str:
        if path == "nowhere":
            raise NoBytes("nowhere: no such file")
        return f"sha of {path}"

    def findings(self) -> list[Finding]:
        return [
            *missing(self.rows, self.noted),
            *wrong_bytes(self.rows, self.noted, self.read),
            *twice(self.rows),
            *wrong_counts(self.rows, self.series),
            *stuck(self.series),
        ]


def test_a_node_that_kept_its_promises() -> None:
    assert World().findings() == []


def test_what_was_not_acknowledged_may_be_stored_or_not() -> None:
    world = World()
    world.noted["1.1"].acknowledged = 0
    world.noted["1.3"] = Noted(series_instance_uid="1", digest="x")
    assert world.findings() == []


def lose_a_row(world: World) -> None:
    del world.rows[0]
    world.series[0] = replace(world.series[0], instances=1)


def move(world: World) -> None:
    world.noted["1.2"].series_instance_uid = "2"


def change(world: World) -> None:
    world.noted["1.2"].digest = "sha of another"


def lose_bytes(world: World) -> None:
    world.rows[0] = replace(world.rows[0], path="nowhere")


def never_sent(world: World) -> None:
    del world.noted["1.1"]


def share_a_place(world: World) -> None:
    world.rows[1] = replace(world.rows[1], path="p1")
    world.noted["1.2"].digest = "sha of p1"


def count_wrongly(world: World) -> None:
    world.series[0] = replace(world.series[0], instances=3)


def lose_the_series(world: World) -> None:
    world.series.clear()


def stick(world: World) -> None:
    world.series[0] = replace(world.series[0], state="queued")


FAULTS: dict[str, tuple[Callable[[World], None], str, str]] = {
    "acknowledged and lost": (lose_a_row, "1.1", "Success 1 times, first at 5.0; no row"),
    "in another series": (move, "1.2", "sent in 2, stored in 1"),
    "other bytes": (change, "1.2", "p2: SHA-256 sha of p2, sha of another was sent"),
    "row without bytes": (lose_bytes, "1.1", "nowhere: no such file"),
    "never sent": (never_sent, "1.1", "p1"),
    "place twice": (share_a_place, "p1", "2 rows"),
    "series counts wrong": (count_wrongly, "1", "3 in its row, 2 rows"),
    "series without row": (lose_the_series, "1", "2 instances"),
    "series stuck": (stick, "1", "queued"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_told_once(kind: str) -> None:
    plant, subject, detail = FAULTS[kind]
    world = World()
    plant(world)
    assert world.findings() == [Finding(kind=kind, subject=subject, detail=detail)]


def test_an_instance_twice() -> None:
    world = World()
    world.rows.append(replace(world.rows[0], path="p9"))
    world.noted["1.1"].digest = "sha of p9"
    kinds = {finding.kind for finding in world.findings()}
    assert kinds == {"instance twice", "other bytes", "series counts wrong"}


def test_a_plain_file_and_a_part_of_a_segment_are_read(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    (tmp_path / "plain.dcm").write_bytes(HEAD + b"data set")
    (tmp_path / "segments" / "0a.seg").write_bytes(b"#" * 4096 + HEAD + b"data set" + b"#" * 99)
    place = f"segments/0a.seg:4096:{len(HEAD) + 8}"
    assert file_of(tmp_path, place) == file_of(tmp_path, "plain.dcm") == HEAD + b"data set"
    assert data_set_digest(tmp_path, place) == sha256(b"data set")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("gone.dcm", "No such file"),
        ("segments/0b.seg:0:10", "No such file"),
        ("segments/0a.seg:10:100", "100 bytes, 10 are there"),
        ("segments/0a.seg:0:20", "no preamble"),
    ],
)
def test_a_place_without_an_instance(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments" / "0a.seg").write_bytes(b"#" * 20)
    with pytest.raises(NoBytes, match=words):
        data_set_digest(tmp_path, path)
