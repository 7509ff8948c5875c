from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inference.workbench.batch import BatchOutcome, BatchSettings, Progress, run_batch
from inference.workbench.batch_files import Done, Journal, Layout, file_name
from inference.workbench.batch_worker import LoadAnalyser
from storage.errors import ConfigError
from tests.inference.series_factory import save, stack_of, uid
from tests.waiting import eventually
from tests.workbench import analysers

ROOT = Path(__file__).resolve().parents[2]


def cohort(folder: Path, *names: str) -> Path:
    for name in names:
        save(stack_of(4, name=name), folder / name)
    return folder


def batch(path: Path, out: Path, load: LoadAnalyser = analysers.quick, **changes: object) -> BatchOutcome:
    settings = BatchSettings(
        path=path, out=out, jobs=2, threads=1, device="cpu", pictures=True, limit_s=600.0, load=load
    )
    return run_batch(BatchSettings(**(vars(settings) | changes)), Progress())


@contextmanager
def stuck(path: Path, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A batch in a process of its own that never ends with the series "stuck"; killed on leaving."""
    command = [sys.executable, "-m", "tests.workbench.run_batch", str(path), str(out), "stuck"]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a batch but its journal, whose order is that of the work, and its lock."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in ("journal.jsonl", ".lock")
    }


def report(out: Path, name: str) -> dict:
    (one,) = json.loads((out / "series" / f"{uid(name)}.json").read_text())
    return one


def test_every_series_has_its_files(tmp_path: Path) -> None:
    ct = cohort(tmp_path / "ct", "a", "b")
    outcome = batch(ct, tmp_path / "out")

    assert (outcome.units, outcome.resumed, outcome.volumes, outcome.eligible) == (2, 0, 2, 2)
    assert outcome.failed == ()
    a, b = sorted((uid("a"), uid("b")))
    assert sorted(files(tmp_path / "out")) == sorted(
        [
            *(f"{folder}/{key}{end}" for key in (a, b) for folder, end in (
                ("series", ".json"), ("tags", ".json"), ("bpreg", ".1.json"), ("pictures", ".1.svg"))),
            "T12_slices.csv", "L3_slices.csv", "cohort.csv", "index.json", "report.html",
        ]
    )  # fmt: skip
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert [entry["key"] for entry in index] == [a, b]
    assert all(len(entry["input_digest"]) == 32 for entry in index)
    assert report(tmp_path / "out", "a")["levels"]["T12"]["slice_index"] == 2
    assert report(tmp_path / "out", "a")["seconds"] == {"read": None, "infer": None, "total": None}


def test_a_killed_batch_goes_on_and_ends_with_the_same_files(tmp_path: Path) -> None:
    names = ("a", "b", "c", "d", "stuck", "e", "f")
    ct, out = cohort(tmp_path / "ct", *names), tmp_path / "out"
    journal = out / "journal.jsonl"

    with stuck(ct, out) as process:
        eventually(lambda: journal.exists() and len(journal.read_text().splitlines()) == 6, timeout_s=120)

    assert not (out / "report.html").exists()
    (out / "series" / f".half.json.{process.pid}").write_text("{")
    outcome = batch(ct, out)
    assert (outcome.units, outcome.resumed, outcome.eligible) == (7, 6, 7)
    batch(ct, tmp_path / "whole")
    assert files(out) == files(tmp_path / "whole")


def test_workers_end_with_the_batch_that_was_killed(tmp_path: Path) -> None:
    ct, out = cohort(tmp_path / "ct", "stuck", "a"), tmp_path / "out"
    with stuck(ct, out) as process:
        eventually(lambda: (out / "journal.jsonl").exists(), timeout_s=120)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in children), timeout_s=60)


def test_one_series_that_kills_its_worker_stops_nobody(tmp_path: Path) -> None:
    ct = cohort(tmp_path / "ct", "a", "killer", "b", "refused", "bug")
    outcome = batch(ct, tmp_path / "out", analysers.troubled)

    failed = {done.key: done.failure for done in outcome.failed}
    assert failed == {
        uid("killer"): "the worker process was ended by SIGKILL at this series",
        uid("bug"): "internal error: KeyError",
    }
    assert (outcome.volumes, outcome.eligible) == (5, 2)
    assert report(tmp_path / "out", "killer")["reason"] == failed[uid("killer")]
    assert report(tmp_path / "out", "refused")["reason"] == "the pixels are blank"
    assert (tmp_path / "out" / "report.html").exists()


def test_what_failed_is_tried_again_and_what_is_done_is_not(tmp_path: Path) -> None:
    ct = cohort(tmp_path / "ct", "a", "killer", "refused", "bug")
    batch(ct, tmp_path / "out", analysers.troubled)
    outcome = batch(ct, tmp_path / "out")
    assert (outcome.resumed, outcome.eligible, outcome.failed) == (2, 3, ())
    assert report(tmp_path / "out", "killer")["eligible"] is True
    assert report(tmp_path / "out", "refused")["eligible"] is False


def test_a_series_whose_files_changed_is_done_again(tmp_path: Path) -> None:
    ct, out = cohort(tmp_path / "ct", "a", "b"), tmp_path / "out"
    batch(ct, out)
    before = files(out)
    (ct / "a" / "0003.dcm").unlink()
    assert batch(ct, out).resumed == 1
    changed = {name for name, content in files(out).items() if before[name] != content}
    assert f"series/{uid('a')}.json" in changed
    assert f"series/{uid('b')}.json" not in changed
    assert report(out, "a")["slices"] == 3


def test_a_series_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    ct = cohort(tmp_path / "ct", "stuck", "a")
    outcome = batch(ct, tmp_path / "out", analysers.stuck, limit_s=8.0, pictures=False)
    assert [(d.key, d.failure) for d in outcome.failed] == [(uid("stuck"), "not done in 8 s")]
    assert outcome.eligible == 1


def test_workers_that_cannot_start_are_told(tmp_path: Path) -> None:
    ct = cohort(tmp_path / "ct", "a")
    with pytest.raises(ConfigError, match="cannot start: the last ended with exit code 7"):
        batch(ct, tmp_path / "out", analysers.never)


def test_two_batches_do_not_write_into_one_folder(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path)
    with layout.lock(), pytest.raises(ConfigError, match="another batch writes"):
        batch(cohort(tmp_path / "ct", "a"), tmp_path)


def test_a_torn_line_of_the_journal_is_no_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    one, two = (Done(key=k, stamp="s", digest="d", volumes=1, eligible=1) for k in "ab")
    Journal(path).add(one)
    with path.open("a") as file:
        file.write('{"key": "torn", "st')
    journal = Journal(path)
    journal.add(two)
    again = Journal(path)
    assert (again.find("a", ["s"]), again.find("b", ["s"]), again.find("torn", ["s"])) == (one, two, None)
    assert again.find("a", ["other"]) is None


@pytest.mark.parametrize("key", ["../../etc/passwd", "1/2", "", ".hidden", "1" * 65])
def test_a_key_that_is_no_uid_names_no_other_place(key: str) -> None:
    assert file_name(key).startswith("series-")
    assert os.sep not in file_name(key)
    assert file_name("1.2.840") == "1.2.840"
