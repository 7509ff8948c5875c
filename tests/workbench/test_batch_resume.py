"""A batch that was killed, whose input changed, or that shares its folder ends as a fresh one does."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from inference.workbench import batch as batching
from inference.workbench import batch_pool
from inference.workbench.batch import BatchSettings, Progress, run_batch
from inference.workbench.batch_files import Done, Journal, Layout, write_reports
from inference.workbench.content import state_of, write_whole
from inference.workbench.units import Unit, gathered
from inference.workbench.volume_reports import failed_report
from tests.inference.series_factory import CORONAL, save, stack_of, uid
from tests.workbench import analysers
from tests.workbench.mortality import VARIABLE
from tests.workbench.test_batch import ROOT, batch, cohort, files, report

ROUNDS = 4


def two_volumes(folder: Path, name: str) -> Path:
    """A series of an axial and a coronal stack."""
    axial = stack_of(4, name=name)
    coronal = stack_of(4, name=name, orientation=CORONAL, origin=(0, 500, 0), first_number=11)
    save([*axial, *coronal], folder / name)
    return folder


def killed(ct: Path, out: Path, at: int) -> int:
    """Exit status of a batch that kills itself at an operation on a file of its results."""
    command = [sys.executable, "-m", "tests.workbench.run_batch", str(ct), str(out), "mortal"]
    environment = {**os.environ, VARIABLE: str(at)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=False, start_new_session=True, timeout=300
    ).returncode


def test_a_batch_killed_at_any_file_operation_ends_with_the_files_of_one_that_was_not(tmp_path: Path) -> None:
    ct, out = cohort(tmp_path / "ct", "a", "b", "c", "d"), tmp_path / "out"
    two_volumes(ct, "e")
    rng = random.Random(8)
    deaths, resumed = 0, []
    for _ in range(ROUNDS):
        deaths += killed(ct, out, rng.randint(4, 22)) == -signal.SIGKILL
        for path in out.rglob("*.json"):
            assert path.name.startswith(".") or json.loads(path.read_text())  # whole, or not yet a file
        journal = out / "journal.jsonl"  # not there where the first file operations were the last
        resumed.append(len(journal.read_text().splitlines()) if journal.exists() else 0)
    outcome = batch(ct, out)
    assert deaths >= ROUNDS // 2  # others were done before their turn
    assert sorted(resumed) == resumed
    assert (outcome.units, outcome.volumes, outcome.eligible, outcome.failed) == (5, 6, 6, ())
    batch(ct, tmp_path / "whole")
    assert files(out) == files(tmp_path / "whole")


def test_volumes_that_are_gone_leave_no_file(tmp_path: Path) -> None:
    ct, out = two_volumes(cohort(tmp_path / "ct", "b"), "a"), tmp_path / "out"
    assert batch(ct, out).volumes == 3
    assert (out / "bpreg" / f"{uid('a')}.2.json").exists()
    for path in sorted((ct / "a").iterdir())[4:]:
        path.unlink()
    outcome = batch(ct, out)
    assert (outcome.resumed, outcome.volumes) == (1, 2)
    batch(ct, tmp_path / "fresh")
    assert files(out) == files(tmp_path / "fresh")


def test_clearing_one_unit_spares_another_whose_uid_goes_on(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path)
    layout.make()
    for key in ("1.2", "1.2.1"):
        volume = failed_report(Unit(key=key, files=()), "x") | {"volume": 1}
        write_reports(layout.report(key), [volume])
        for path in (layout.sidecar(key, 1), layout.picture(key, 1), layout.tags(key)):
            write_whole(path, "[]")
    layout.clear("1.2")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == sorted(
        ["1.2.1.json", "1.2.1.json", "1.2.1.1.json", "1.2.1.1.svg"]
    )
    layout.clear("9.9")  # nothing was there


def test_results_of_other_runs_are_told_and_in_no_table(tmp_path: Path) -> None:
    batch(cohort(tmp_path / "one", "a", "b"), tmp_path / "out")
    outcome = batch(cohort(tmp_path / "two", "b", "c"), tmp_path / "out")
    assert (outcome.units, outcome.resumed, outcome.strangers) == (2, 0, 1)  # another file of b
    with (tmp_path / "out" / "cohort.csv").open() as file:
        assert {row["series_instance_uid"] for row in csv.DictReader(file)} == {uid("b"), uid("c")}
    assert (tmp_path / "out" / "series" / f"{uid('a')}.json").exists()


def test_pictures_that_nobody_asks_for_again_stay(tmp_path: Path) -> None:
    ct, out = cohort(tmp_path / "ct", "a"), tmp_path / "out"
    batch(ct, out)
    before = files(out)
    assert batch(ct, out, pictures=False).resumed == 1
    assert files(out) == before
    batch(ct, tmp_path / "bare", pictures=False)
    assert batch(ct, tmp_path / "bare").resumed == 0  # and those that were never drawn are drawn


def test_a_cohort_that_moved_and_one_that_is_packed_are_resumed(tmp_path: Path) -> None:
    ct, out = cohort(tmp_path / "ct", "a", "b"), tmp_path / "out"
    batch(ct, out)
    before = files(out)
    assert batch(ct.rename(tmp_path / "elsewhere"), out).resumed == 2
    assert files(out) == before
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as packed:
        for path in (tmp_path / "elsewhere").rglob("*.dcm"):
            packed.write(path, path.relative_to(tmp_path))
    assert [batch(tmp_path / "ct.zip", tmp_path / "zipped").resumed for _ in range(2)] == [0, 2]
    assert files(tmp_path / "zipped") == before


def test_results_below_the_cohort_are_no_part_of_it(tmp_path: Path) -> None:
    ct = cohort(tmp_path / "ct", "a")
    first = batch(ct, ct / "results")
    before = files(ct / "results")
    again = batch(ct, ct / "results")
    assert (first.ignored, again.ignored) == ("0 foreign files, 0 DICOMDIR, 0 copies",) * 2
    assert (again.resumed, files(ct / "results")) == (1, before)


class Vanishing(Progress):
    """A file of a series goes when everything was found."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def found(self, units: Sequence[Unit], todo: Sequence[Unit]) -> None:
        self._path.unlink()


def test_a_file_that_vanishes_fails_its_series_alone(tmp_path: Path) -> None:
    ct, out = cohort(tmp_path / "ct", "a", "b"), tmp_path / "out"
    settings = BatchSettings(
        path=ct, out=out, jobs=1, threads=1, device="cpu", pictures=False, limit_s=600, load=analysers.quick
    )
    outcome = run_batch(settings, Vanishing(ct / "a" / "0003.dcm"))
    assert [(d.key, d.failure) for d in outcome.failed] == [(uid("a"), "internal error: FileNotFoundError")]
    assert outcome.eligible == 1
    assert report(out, "a")["reason"] == "internal error: FileNotFoundError"
    assert batch(ct, out, pictures=False).failed == ()  # three slices are a volume too
    assert report(out, "a")["slices"] == 3


def test_a_file_that_vanishes_before_it_is_measured_stops_nobody(tmp_path: Path, monkeypatch) -> None:
    ct = cohort(tmp_path / "ct", "a", "b")

    @contextmanager
    def vanishing(path: Path, leave: Path):
        with gathered(path, leave) as found:
            (ct / "a" / "0003.dcm").unlink()
            yield found

    monkeypatch.setattr(batching, "gathered", vanishing)
    outcome = batch(ct, tmp_path / "out", pictures=False)
    assert ([d.key for d in outcome.failed], outcome.eligible) == ([uid("a")], 1)


def test_the_largest_series_come_first(tmp_path: Path) -> None:
    order: list[str] = []

    class Watching(Progress):
        def done(self, unit: Unit, told: Done) -> None:
            order.append(unit.key)

    for name, count in (("a", 4), ("b", 9), ("c", 6)):
        save(stack_of(count, name=name), tmp_path / "ct" / name)
    settings = BatchSettings(
        path=tmp_path / "ct", out=tmp_path / "out", jobs=1, threads=1, device="cpu", pictures=False,
        limit_s=600, load=analysers.quick,
    )  # fmt: skip
    run_batch(settings, Watching())
    assert order == [uid("b"), uid("c"), uid("a")]


def test_workers_that_fail_to_start_now_and_then_stop_nobody(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(batch_pool, "DOWN_AT_START", 2)
    ct = cohort(tmp_path / "ct", "a", "killer")
    outcome = batch(ct, tmp_path / "out", analysers.shaky, jobs=1, pictures=False)
    assert ([d.key for d in outcome.failed], outcome.eligible) == ([uid("killer")], 1)
    assert (tmp_path / "started").read_text() >= "xxxx"


def test_another_version_does_everything_again(tmp_path: Path, monkeypatch) -> None:
    ct, out = cohort(tmp_path / "ct", "a"), tmp_path / "out"
    batch(ct, out)
    monkeypatch.setattr(batching, "version", lambda _: "99")
    assert batch(ct, out).resumed == 0


def test_a_deleted_result_is_made_again(tmp_path: Path) -> None:
    ct, out = cohort(tmp_path / "ct", "a", "b"), tmp_path / "out"
    batch(ct, out)
    before = files(out)
    (out / "tags" / f"{uid('a')}.json").unlink()
    (out / "series" / f"{uid('b')}.json").unlink()
    assert batch(ct, out).resumed == 0
    assert files(out) == before


def test_only_what_is_ours_is_swept(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path)
    layout.make()
    for name in (".cohort.csv.12", "series/.1.2.json.999999", f"pictures/.x.svg.{os.getpid()}"):
        (tmp_path / name).write_text("half")
    kept = (".notes", ".lock", ".backup.7", "series/.DS_Store")
    for name in kept:
        (tmp_path / name).write_text("a user's")
    layout.sweep()
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == sorted(kept)


def test_a_journal_of_garbage_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    one = Done(key="a", stamp="s", digest="d", volumes=1, eligible=1)
    Journal(path).add(one)
    with path.open("ab") as file:
        file.write(b"\x00\xff\xfe\n[1]\n5\n{}\n")
    assert Journal(path).find("a", ["other", "s"]) == one


def test_a_state_is_of_names_sizes_and_times(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("12")
    (tmp_path / "b").write_text("345")
    both = state_of([tmp_path / "a", tmp_path / "b"])
    assert both.size_bytes == 5
    assert both == state_of([tmp_path / "a", tmp_path / "b"])
    os.utime(tmp_path / "b", ns=(1, 1))
    assert state_of([tmp_path / "a", tmp_path / "b"]).stamp != both.stamp
