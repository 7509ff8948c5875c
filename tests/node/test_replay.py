"""A recording says when each rule would have completed a series; the dispatcher itself is the judge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node import commands_replay, recording
from node.config import Assembly
from node.program import app
from node.recorder import _anonymous, _Names, recorded
from node.recording import Happening, Kind
from node.replay import Completion, Replayed, fixed_timer, replay
from node.rules import Rule
from storage import events, expectations
from storage.errors import Unreadable
from storage.geometry.frames import placed_by
from storage.header import Header
from storage.records import Event
from storage.states import Ending, SeriesState, Source
from tests.node import results
from tests.node.receiving import SERIES
from tests.node.results import workflow_ledger
from tests.node.test_completion import CONFIG, Node

workflow_template = results.workflow_template
ASSEMBLY = Assembly(quiet_s=4, long_quiet_s=60, cap_s=600)
COUNT, GEOMETRY, LONG, CAP = Rule


def opened(id: str, at: float, ae: str = "CT1") -> Happening:
    return Happening(at=at, kind=Kind.OPENED, association=id, calling_ae=ae)


def ended(id: str, at: float, kind: Kind = Kind.RELEASED) -> Happening:
    return Happening(at=at, kind=kind, association=id)


def came(number: int, at: float, by: str, *, series: str = "s1", told: int | None = None) -> Happening:
    header = Header(
        sop_instance_uid=f"i{number}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        series_instance_uid=series,
        study_instance_uid="",
        modality="CT",
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        instance_number=number,
        position_mm=(0.0, 0.0, 2.0 * number),
        orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        pixel_spacing_mm=(0.7, 0.7),
        rows=16,
        columns=16,
        rescale_slope=1.0,
        rescale_intercept=-1024.0,
    )
    return Happening(
        at=at,
        kind=Kind.INSTANCE,
        association=by,
        series=series,
        instance=f"i{number}",
        slices=(placed_by(header),),
        images_in_acquisition=told,
    )


def told(count: int, at: float, first: int = 1, by: str = "x1") -> Happening:
    every = tuple(f"i{n}" for n in range(first, count + 1))
    return Happening(at=at, kind=Kind.TOLD, series="s1", source=Source.MPPS, told_by=by, instances=every)


def one(happenings: list[Happening]) -> Replayed:
    (found,) = replay(happenings, ASSEMBLY.bounds, ASSEMBLY.cap_s)
    return found


AGAIN = [opened("b", 21.0), came(3, 22.0, "b"), ended("b", 23.0)]
PLAIN = [opened("a", 0), *(came(n, 1.0 * n, "a") for n in (1, 2, 3)), ended("a", 3.5)]


def test_each_rule_and_the_one_that_decides() -> None:
    found = one(PLAIN)
    assert (found.series, found.instances, found.first_at, found.last_at) == ("s1", 3, 1.0, 3.0)
    evidence = "geometry closed, 4 s quiet, 1 associations released, 3 instances"
    assert found.completions == (Completion(at=7.0, rule=GEOMETRY, evidence=evidence, instances=3),)
    assert found.alone == {GEOMETRY: 7.0, LONG: 63.0, CAP: 601.0}
    assert found.timers == {3.0: (6.0,), 5.0: (8.0,), 60.0: (63.0,)}


@pytest.mark.parametrize(
    ("happenings", "expected"),
    [
        ([*PLAIN, told(3, at=5.0)], [(5.0, COUNT)]),  # told before the short quiet has passed
        ([told(3, at=0.0), *PLAIN], [(3.0, COUNT)]),  # with the last instance, the association still open
        ([told(2, at=0.0), told(3, at=0.1, first=2, by="x2"), *PLAIN], [(3.0, COUNT)]),  # two steps, all
        ([*PLAIN, told(2, at=3.8), told(2, at=3.9, by="x2")], [(7.0, COUNT)]),  # the third is of neither
        ([told(4, at=0.0), *PLAIN], [(63.0, LONG)]),
        ([told(4, at=0.0), *PLAIN, told(3, at=40.0)], [(40.0, COUNT)]),
        ([*PLAIN[:-1], ended("a", 30.0)], [(30.0, GEOMETRY)]),  # the release comes late
        ([*PLAIN[:-1]], [(601.0, CAP)]),  # it never comes
        ([*PLAIN[:-1], ended("a", 3.5, Kind.ABORTED)], [(63.5, LONG)]),
        (
            [*PLAIN[:3], ended("a", 2.5, Kind.LOST), Happening(at=20, kind=Kind.LISTENS), *AGAIN],
            [(26.0, GEOMETRY)],
        ),
        ([PLAIN[0], PLAIN[1], PLAIN[3], PLAIN[4]], [(63.0, LONG)]),  # a gap, or too few
        ([*PLAIN, Happening(at=5, kind=Kind.LISTENS)], [(9.0, GEOMETRY)]),
        (
            [*PLAIN, opened("b", 10.0), came(4, 11.0, "b"), ended("b", 11.0)],
            [(7.0, GEOMETRY), (23.0, GEOMETRY)],  # the pause of 8 s, half as long again
        ),
        (
            [opened("a", 0), *(came(n, 1.0 * n, "a", told=3) for n in (1, 2, 3))],
            [(7.0, GEOMETRY)],  # Images in Acquisition is met, and the association goes on
        ),
    ],
)
def test_completions(happenings: list[Happening], expected: list[tuple[float, Rule]]) -> None:
    assert [(done.at, done.rule) for done in one(happenings).completions] == expected


def test_series_that_are_interleaved_are_told_apart() -> None:
    both = [came(n, 1.0 * n, "a", series="s2") for n in (1, 2, 3)]
    happenings = sorted([*PLAIN, *both], key=lambda each: each.at)
    found = replay(happenings, ASSEMBLY.bounds, ASSEMBLY.cap_s)
    assert [(each.series, each.instances, each.completions[0].at) for each in found] == [
        ("s1", 3, 7.0),
        ("s2", 3, 7.0),
    ]


@pytest.mark.parametrize(
    ("times", "timer_s", "expected"),
    [
        ([1.0, 2.0, 3.0], 3.0, (6.0,)),
        ([1.0, 5.0], 3.0, (4.0, 8.0)),
        ([1.0, 4.0], 3.0, (7.0,)),
        ([1.0, 90.0, 91.0], 60.0, (61.0, 151.0)),
    ],
)
def test_fixed_timers(times: list[float], timer_s: float, expected: tuple[float, ...]) -> None:
    assert fixed_timer(times, timer_s) == expected


def test_a_recording_comes_back_as_it_was_written() -> None:
    happenings = sorted(
        [*PLAIN, told(3, 9.0), Happening(at=9.5, kind=Kind.LISTENS), came(4, 10.0, "a", told=9)],
        key=lambda each: each.at,
    )
    counted = Happening(at=11, kind=Kind.TOLD, series="s1", source=Source.QUERY, told_by="PACS", count=0)
    lines = [recording.to_line(each) for each in [*happenings, counted]]
    assert recording.read(lines) == [*happenings, counted]
    assert json.loads(lines[0]) == {"at": 0, "kind": "opened", "association": "a", "calling_ae": "CT1"}


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"at": 1}', '{"at": 1, "kind": "came"}', '{"at": 1, "kind": "lost", "x": 2}']
)
def test_a_line_that_is_no_event_is_named(line: str) -> None:
    with pytest.raises(Unreadable, match=r"^line 2 of the recording is no event: "):
        recording.read(['{"at": 0, "kind": "listens"}', line])


@pytest.fixture
def node(tmp_path: Path, workflow_template: Path) -> Iterator[Node]:
    with workflow_ledger(workflow_template, tmp_path / "data") as store:
        each = Node(store)
        yield each
        each.close()


def test_a_series_of_the_ledger_replays_as_the_dispatcher_decided(node: Node) -> None:
    """A gap, an abort, another association that fills the gap, and an instance too late."""
    node.open("a", at=1000)
    for number, at in ((1, 1001), (2, 1002), (4, 1003)):
        node.take(number, at=at, by="a")
    node.end("a", at=1004, ending=Ending.ABORTED)
    assert node.look(1030)[0] is SeriesState.RECEIVING
    node.transfer(SERIES, [3], begin=1030)
    first = node.completed_at(1030, end=1200)
    last = node.transfer(SERIES, [5, 6], begin=1045)
    second = node.completed_at(last, end=1200)
    with node.store.ledger.reading() as connection:
        happenings = recorded(connection, SERIES)
    found = one(happenings)
    assert [round(done.at + 1000, 6) for done in found.completions] == pytest.approx([first, second], abs=0.5)
    assert [done.rule for done in found.completions] == [GEOMETRY, LONG]
    assert node.store.series().evidence == found.completions[-1].evidence


def test_a_recording_holds_no_uid_and_no_date(node: Node) -> None:
    node.transfer(SERIES, [1, 2, 3], begin=1_700_000_000)
    with node.store.ledger.writing() as connection:
        expectations.tell(
            connection,
            series_instance_uid=SERIES,
            source=Source.MPPS,
            told_by="2.25.77",
            count=2,
            sop_instance_uids=[f"{SERIES}.1", "2.25.78"],
            now=1_700_000_003.0,
        )
        listens = Event(at=1_700_000_000.1, kind="receiver listens", subject="CTNODE", detail="")
        events.tell(connection, listens)
        happenings = recorded(connection, SERIES)
        assert recorded(connection, "1.2.3") == []
    text = "\n".join(map(recording.to_line, happenings))
    assert "2.25." not in text
    assert "1700000" not in text
    assert [each.kind.value for each in happenings] == [
        "opened", "instance", "instance", "listens", "instance", "released", "told",
    ]  # fmt: skip
    assert happenings[-1].instances == ("i1", "i4")
    assert recording.read(text.splitlines()) == happenings


def test_times_of_day_are_told_from_the_earliest() -> None:
    slices = [
        replace(came(n, 1.0, "a").slices[0], acquisition_time_s=36_000.0 + n, content_time_s=None)
        for n in (2, 1, 3)
    ]
    shown = [_anonymous(slices, _Names())(each) for each in slices]
    assert [each.acquisition_time_s for each in shown] == [1.0, 0.0, 2.0]
    assert [each.content_time_s for each in shown] == [None, None, None]


def run(*arguments: str | Path) -> str:
    commands_replay.console.width = 200  # as wide as it needs, whatever the terminal
    ran = CliRunner().invoke(app, ["replay", *map(str, arguments)], env={"COLUMNS": "200"})
    assert ran.exit_code == 0, ran.output
    return ran.output


def test_the_command_writes_and_shows(node: Node, tmp_path: Path) -> None:
    last = node.transfer(SERIES, [1, 2, 3], begin=1000, gap_s=0.25)
    assert node.look(last + 4)[0] is SeriesState.QUEUED
    config = tmp_path / "config.yaml"
    config.write_text(f"assembly: {{quiet_s: {CONFIG.assembly.quiet_s:g}}}\nstorage: {{root: ./data}}\n")
    file = tmp_path / "recording.jsonl"
    shown = run(file, "--record", SERIES, "--config", config)
    assert "revision 1: geometry closed" in shown
    assert len(file.read_text().splitlines()) == 5
    (one_series,) = json.loads(run(file, "--json", "--config", config))
    assert one_series["completions"][0]["at"] == 4.5
    assert one_series["alone"] == {
        "count known": None,
        "geometry closed": 4.5,
        "long quiet": 60.5,
        "cap": 1800,
    }
    assert one_series["timers"][0] == {"timer_s": 3.0, "at": [3.5]}


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    commands_replay.console.width = 200  # as wide as it needs, whatever the terminal
    ran = CliRunner().invoke(app, ["replay", str(tmp_path / "none.jsonl"), "--config", str(tmp_path / "c")])
    assert isinstance(ran.exception, Unreadable)
    assert "there is no recording" in str(ran.exception)
