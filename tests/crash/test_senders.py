"""What the harness sends, kills and notes: judged by DCMTK and pydicom."""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from tests.crash.content import SOP_CLASSES, Content, Plan, random_plan, sha256
from tests.crash.journal import Journal, Writer
from tests.crash.kills import SHARES, Blow, next_blow, next_wait_s, victims
from tests.crash.node import Process
from tests.crash.scu import Association, Broken, Rejected
from tests.crash.stored import data_set_digest
from tests.dcmtk import find
from tests.e2e.ports import free_port
from tests.waiting import eventually

PLAN = Plan(modality="CT", size=512, positions_mm=(0.0, 2.5, -7.25))


@pytest.mark.peers
def test_dcmtk_stores_what_is_sent_bit_for_bit(tmp_path: Path) -> None:
    program, port = find("storescp"), free_port()
    if program is None:
        pytest.skip("DCMTK is not installed")
    command = [program, "+B", "-aet", "CTNODE", "-od", str(tmp_path), str(port)]
    storescp = subprocess.Popen(command, env={**os.environ, "TCP_NODELAY": "1"})
    sent = list(Content(123456, 7).series(1, PLAN))
    try:
        association = eventually(lambda: _associate(port), what="storescp to listen")
        assert association is not None
        statuses = [
            association.store(each.sop_class_uid, each.sop_instance_uid, each.data_set) for each in sent
        ]
        association.release()
    finally:
        storescp.kill()
        storescp.wait()
    assert statuses == [0, 0, 0]
    for each in sent:
        assert data_set_digest(tmp_path, f"CT.{each.sop_instance_uid}") == each.digest


def _associate(port: int) -> Association | None:
    try:
        return Association.request(("127.0.0.1", port), tuple(SOP_CLASSES.values()), calling="MODALITY1")
    except Broken:
        return None


def test_each_instance_is_its_own() -> None:
    sent = list(Content(123456, 7).series(42, PLAN))
    read = [
        pydicom.dcmread(BytesIO(b"\0" * 128 + b"DICM" + _meta() + each.data_set), force=True) for each in sent
    ]
    assert [ds.SOPInstanceUID for ds in read] == [f"2.25.112345607000042{n:06}" for n in (1, 2, 3)]
    assert {ds.SeriesInstanceUID for ds in read} == {"2.25.112345607000042000000"}
    assert len({ds.StudyInstanceUID for ds in read}) == len({ds.FrameOfReferenceUID for ds in read}) == 1
    assert [ds.InstanceNumber for ds in read] == [1, 2, 3]
    assert [float(ds.ImagePositionPatient[2]) for ds in read] == [0.0, 2.5, -7.25]
    assert [len(ds.PixelData) for ds in read] == [2 * 512 * 512] * 3
    assert len({ds.PixelData[:32] for ds in read}) == 3
    assert [each.digest for each in sent] == [sha256(each.data_set) for each in sent]


def _meta() -> bytes:
    syntax = b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"
    return b"\x02\0\0\0UL\x04\0" + len(syntax).to_bytes(4, "little") + syntax


def test_plans_are_of_both_kinds_and_sizes() -> None:
    chance = random.Random(1)
    plans = [random_plan(chance) for _ in range(500)]
    assert {plan.modality for plan in plans} == {"CT", "MR"}
    assert {plan.size for plan in plans} == {64, 128, 512}
    assert all(4 <= len(plan.positions_mm) <= 16 for plan in plans)


def test_a_peer_that_is_not_there_and_one_that_rejects(tmp_path: Path) -> None:
    with pytest.raises(Broken):
        Association.request(("127.0.0.1", free_port()), ["1.2"], calling="MODALITY1")
    assert Rejected(2, 3, 1).values == (2, 3, 1)


def test_a_journal_is_read_on_and_never_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "journal-1"
    journal, (one, two, _) = Journal(paths=(path, tmp_path / "none")), Content(123456, 7).series(1, PLAN)
    writer = Writer(path)
    writer.sent(one)
    writer.answered(one.sop_instance_uid, 0xA700)
    journal.read()
    assert (journal.acknowledged, journal.statuses) == (0, {"A700": 1})
    writer.sent(two)
    for _ in range(2):
        writer.answered(one.sop_instance_uid, 0)
    with path.open("a") as file:
        file.write(f"A {two.sop_instance_uid}")  # and no more yet
    journal.read()
    assert journal.noted[one.sop_instance_uid].acknowledged == 2
    assert (journal.acknowledged, journal.noted[two.sop_instance_uid].digest) == (1, two.digest)


def test_blows_meet_every_process() -> None:
    chance = random.Random(2)
    blows = Counter(next_blow(chance) for _ in range(10_000))
    assert sum(SHARES.values()) == 100
    assert all(abs(blows[blow] / 100 - share) < 2 for blow, share in SHARES.items())
    waits = [next_wait_s(chance, 1.5) for _ in range(10_000)]
    assert min(waits) >= 0 and max(waits) <= 3.0 and abs(sum(waits) / 10_000 - 1.5) < 0.05


def test_who_dies() -> None:
    chance = random.Random(3)
    living = [Process(pid=n, role=role) for n, role in enumerate(("supervisor", "receiver", "receiver"))]
    assert victims(Blow.ALL, living, chance, at_work=[2]) == living
    assert victims(Blow.WORKER, living, chance, at_work=[2]) == []
    killed = Counter(victims(Blow.RECEIVER, living, chance, at_work=[2])[0].pid for _ in range(1000))
    assert killed.keys() == {1, 2} and 800 < killed[2] < 950
    killed = Counter(victims(Blow.RECEIVER, living, chance, at_work=[])[0].pid for _ in range(1000))
    assert killed.keys() == {1, 2} and 400 < killed[2] < 600
