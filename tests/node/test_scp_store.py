"""C-STORE on the wire: the status of each fault, and that nothing is half-stored."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import P_DATA_TF

from node.contexts import COMPRESSED, STORAGE_SOP_CLASSES, STORAGE_TRANSFER_SYNTAXES
from storage import database
from storage.errors import Unavailable
from storage.states import Ending, SeriesState
from tests.node.receiving import (
    LE,
    SERIES,
    Kept,
    Receiver,
    Store,
    associated,
    ct,
    dcmtk_run,
    encoded,
    receiver,
    request,
    send,
    store,
)

NOTHING = Kept(instances=(), files=(), aside=0, aside_files=0, parts=0, series=())
UID_1 = f"{SERIES}.1"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path) as each:
        yield each


def encapsulated(frame: bytes = b"\xff\xd8 a frame \xff\xd9") -> Dataset:
    ds = ct()
    ds.PixelData = encapsulate([frame], has_bot=True)
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    return ds


def cut_native() -> bytes:
    return encoded(ct())[:-100]


def cut_header() -> bytes:
    return encoded(ct())[:61]


def cut_fragments() -> bytes:
    return encoded(encapsulated())[:-20]


CORRUPT = {
    "random bytes": (lambda: bytes(range(7, 256)) * 9, LE),
    "nothing but zeros": (lambda: bytes(4096), ImplicitVRLittleEndian),
    "cut in the middle of an element": (cut_header, LE),
    "cut pixels": (cut_native, LE),
    "cut fragments": (cut_fragments, JPEGLSLossless),
    "no end of the fragments": (lambda: encoded(encapsulated())[:-8], JPEG2000Lossless),
    "implicit in an explicit context": (lambda: encoded(ct(), ImplicitVRLittleEndian), LE),
    "explicit in an implicit context": (lambda: encoded(ct()), ImplicitVRLittleEndian),
    "big endian in a little endian context": (lambda: encoded(ct(), ExplicitVRBigEndian), LE),
    "not deflated": (lambda: encoded(ct()), DeflatedExplicitVRLittleEndian),
}


@pytest.mark.parametrize("fault", CORRUPT)
def test_a_corrupt_data_set_is_not_understood(node: Receiver, fault: str) -> None:
    make, syntax = CORRUPT[fault]
    with associated(node.port, [(CTImageStorage, syntax)]) as association:
        answer = store(association, make(), sop_instance_uid=UID_1)
        assert answer.Status == 0xC000
        assert answer.ErrorComment and len(answer.ErrorComment) <= 64
        assert node.kept() == NOTHING
        good = encoded(encapsulated() if syntax in COMPRESSED else ct(), syntax)
        assert store(association, good, sop_instance_uid=UID_1).Status == 0x0000  # the association goes on


NO_UID = {
    "missing": None,
    "empty": "",
    "letters": "1.2.840.abc",
    "too long": "1." + "2" * 63,
    "a path": "../../../etc/cron.d/x",
}


@pytest.mark.parametrize("fault", NO_UID)
@pytest.mark.parametrize(
    ("keyword", "tag"), [("StudyInstanceUID", 0x0020000D), ("SeriesInstanceUID", 0x0020000E)]
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
def test_no_uid_is_not_understood_and_named(node: Receiver, keyword: str, tag: int, fault: str) -> None:
    answer = send(node.port, ct(1, **{keyword: NO_UID[fault]}))
    assert (answer.Status, answer.OffendingElement) == (0xC000, tag)
    assert node.kept() == NOTHING


@pytest.mark.parametrize("value", ["../../../../tmp/x", "1.2/../3", "1." + "2" * 63])
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
def test_a_sop_instance_uid_that_is_a_path_never_becomes_one(node: Receiver, value: str) -> None:
    before = {path for path in node.root.parent.rglob("*") if path.is_file()}
    with associated(node.port) as association:
        answer = store(association, encoded(ct(1, SOPInstanceUID=value)), sop_instance_uid=UID_1)
    assert answer.Status in {0xA900, 0xC000} and answer.OffendingElement == 0x00080018
    assert node.kept() == NOTHING
    assert {p for p in node.root.parent.rglob("*") if p.is_file()} - before <= set(node.root.glob("ledger*"))


def test_another_class_or_instance_than_the_commands_does_not_match(node: Receiver) -> None:
    with associated(node.port) as association:
        other_class = store(association, encoded(ct(1, SOPClassUID=MRImageStorage)), sop_instance_uid=UID_1)
        other_uid = store(association, encoded(ct(2)), sop_instance_uid=UID_1)
    assert (other_class.Status, other_class.OffendingElement) == (0xA900, 0x00080016)
    assert other_class.ErrorComment.startswith("SOP Class UID 1.2.840.10008.5.1.4.1.1.4 is 1.2.840")
    assert (other_uid.Status, other_uid.OffendingElement) == (0xA900, 0x00080018)
    assert node.kept() == NOTHING


@pytest.mark.parametrize(
    ("changes", "tag"),
    [
        ({"SeriesInstanceUID": f"{SERIES}.9"}, 0x0020000E),
        ({"StudyInstanceUID": "2.25.7"}, 0x0020000D),
        ({"StudyInstanceUID": "2.25.7", "SOPInstanceUID": f"{SERIES}.2"}, 0x0020000D),
    ],
    ids=["instance in another series", "instance in another study", "series in another study"],
)
def test_a_known_uid_elsewhere_is_refused_and_kept_aside(
    node: Receiver, changes: dict[str, str], tag: int
) -> None:
    assert send(node.port, ct(1)).Status == 0x0000
    before, first = node.kept(), node.data_set(UID_1)
    answer = send(node.port, ct(1, **changes))
    assert (answer.Status, answer.OffendingElement) == (0xA900, tag)
    assert node.kept() == dataclasses.replace(before, aside=1, aside_files=1)
    assert node.data_set(UID_1) == first
    (told,) = node.events("kept aside")
    assert told.subject == changes.get("SOPInstanceUID", UID_1) and "known in" in told.detail


def test_the_same_again_changes_nothing(node: Receiver) -> None:
    with associated(node.port) as association:
        for _ in range(3):
            answer = store(association, encoded(ct()), sop_instance_uid=UID_1)
            assert answer.Status == 0x0000
            kept = node.kept()
            assert (kept.instances, len(kept.files), kept.aside) == ((UID_1,), 1, 0)
            assert kept.series[0].instances == 1
    assert kept == node.kept()  # state, last arrival and revision with it


def test_other_content_under_the_same_uid_is_a_duplicate_and_kept_aside(node: Receiver) -> None:
    first = ct()
    assert send(node.port, first).Status == 0x0000
    before = node.kept()
    other = ct(1, PixelData=b"\7" * 512)
    answers = [send(node.port, other), send(node.port, other)]
    assert [(a.Status, a.OffendingElement) for a in answers] == [(0x0111, 0x00080018)] * 2
    assert node.kept() == dataclasses.replace(before, aside=1, aside_files=1)
    assert node.data_set(UID_1) == encoded(first)
    (aside,) = (node.root / "aside").rglob("*.dcm")
    assert dcmread(aside).PixelData == b"\7" * 512
    assert [event.subject for event in node.events("kept aside")] == [UID_1]


def test_the_same_instance_on_two_associations_at_once(node: Receiver) -> None:
    """Success twice, stored once; with other content once: one Success, one duplicate."""
    assert _two_at_once(node, ct(1), ct(1)) == [0x0000, 0x0000]
    kept = node.kept()
    assert (kept.instances, len(kept.files), kept.aside, kept.parts) == ((UID_1,), 1, 0, 0)
    assert kept.series[0].instances == 1
    assert _two_at_once(node, ct(2), ct(2, Rows=8, Columns=32)) == [0x0000, 0x0111]
    kept = node.kept()
    assert (len(kept.instances), len(kept.files), kept.aside, kept.aside_files) == (2, 2, 1, 1)
    assert kept.series[0].instances == 2


def _two_at_once(node: Receiver, *data_sets: Dataset) -> list[int]:
    together, statuses = threading.Barrier(2), []

    def call(ds: Dataset) -> None:
        with associated(node.port) as association:
            together.wait(30)
            answer = store(association, encoded(ds), sop_instance_uid=str(ds.SOPInstanceUID))
            statuses.append(answer.Status)

    callers = [threading.Thread(target=call, args=(ds,)) for ds in data_sets]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    return sorted(statuses)


def test_a_disk_that_fills_up_while_an_association_runs(
    node: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with associated(node.port) as association:
        monkeypatch.setattr("node.intake.SPACE_CHECK_S", 0.0)
        node.intake._reserve_bytes = 5_000_000
        monkeypatch.setattr(node.instances, "free_bytes", lambda: 4_900_000)
        answer = store(association, encoded(ct()), sop_instance_uid=UID_1)
        assert (answer.Status, answer.ErrorComment) == (0xA700, "disk full: 4 MB free, 5 MB reserved")
        assert node.kept() == NOTHING
        monkeypatch.setattr(node.instances, "free_bytes", lambda: 5_000_000)
        assert store(association, encoded(ct()), sop_instance_uid=UID_1).Status == 0x0000


def test_a_locked_ledger_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are kept, and the row follows when it can."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    with receiver(tmp_path) as node, associated(node.port) as association:
        with node.locked():
            assert store(association, encoded(ct()), sop_instance_uid=UID_1).Status == 0x0000
            assert Store.kept(node).instances == ()
        assert node.kept().instances == (UID_1,)
        assert node.data_set(UID_1) == encoded(ct())


def test_an_index_that_is_hopelessly_behind_refuses_for_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    with receiver(tmp_path) as node, associated(node.port) as association:
        with node.locked():
            assert store(association, encoded(ct(1)), sop_instance_uid=UID_1).Status == 0x0000
            with monkeypatch.context() as patch:
                patch.setattr("node.intake.BEHIND_S", 0.0)
                answer = store(association, encoded(ct(2)), sop_instance_uid=f"{SERIES}.2")
            assert answer.Status == 0xA700 and "the index is" in answer.ErrorComment
        assert node.kept().instances == (UID_1,)


def test_an_unforeseen_error_is_ours_and_the_scp_goes_on(
    node: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with associated(node.port) as association:
        with monkeypatch.context() as patch:
            patch.setattr("node.intake.parse", lambda *_: 1 / 0)
            answer = store(association, encoded(ct()), sop_instance_uid=UID_1)
        assert answer.Status == 0x0110
        assert node.kept() == NOTHING
        assert store(association, encoded(ct()), sop_instance_uid=UID_1).Status == 0x0000


@pytest.mark.parametrize("how", ["abort", "close"])
def test_an_association_that_breaks_in_a_data_set_stores_nothing_of_it(node: Receiver, how: str) -> None:
    association = request(node.port)
    assert store(association, encoded(ct(1)), sop_instance_uid=UID_1).Status == 0x0000
    before = node.kept()
    connection = association.dul.socket.socket
    connection.sendall(_half_a_store(association))
    if how == "abort":
        association.abort()
    else:
        connection.shutdown(socket.SHUT_RDWR)
    assert [row.ending for row in node.ended()] == [Ending.ABORTED]
    assert node.kept() == before
    assert node.data_set(UID_1) == encoded(ct(1))


def _half_a_store(association: Any) -> bytes:
    """Everything of a C-STORE but its last PDU, as bytes."""
    message = C_STORE()
    message.MessageID, message.Priority = 2, 2
    message.AffectedSOPClassUID, message.AffectedSOPInstanceUID = CTImageStorage, f"{SERIES}.2"
    message.DataSet = BytesIO(encoded(ct(2)))
    dimse = C_STORE_RQ()
    dimse.primitive_to_message(message)
    parts = []
    for primitive in dimse.encode_msg(association.accepted_contexts[0].context_id, 300):
        pdu = P_DATA_TF()
        pdu.from_primitive(primitive)
        parts.append(pdu.encode())
    assert len(parts) > 3
    return b"".join(parts[:-1])


def _ct_in(syntax: UID, tmp_path: Path) -> Dataset:
    """A CT image in a transfer syntax, encoded by somebody else where there is somebody."""
    ds = ct()
    if syntax not in COMPRESSED:
        return ds
    programs = {JPEGLosslessSV1: "dcmcjpeg", JPEGLSLossless: "dcmcjpls", RLELossless: "dcmcrle"}
    if syntax in programs:
        source, target = tmp_path / "native.dcm", tmp_path / "compressed.dcm"
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = LE
        ds.save_as(source, enforce_file_format=True)
        made = dcmtk_run(programs[syntax], source, target)
        assert made.returncode == 0, made.stderr
        compressed = dcmread(target)
        assert compressed.file_meta.TransferSyntaxUID == syntax
        compressed.SOPInstanceUID = UID_1
        return compressed
    if syntax == JPEG2000Lossless:
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = LE
        ds.Rows = ds.Columns = 64
        ds.PixelData = np.arange(4096, dtype="<i2").tobytes()
        ds.compress(syntax, generate_instance_uid=False)
        return ds
    return encapsulated(b"\xff\x4f a codestream \xff\xd9")  # opaque to the store


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLosslessSV1,
        JPEGLSLossless,
        JPEG2000Lossless,
        HTJ2KLossless,
    ],
    ids=lambda uid: uid.name,
)
def test_each_transfer_syntax_is_stored_bit_for_bit(node: Receiver, tmp_path: Path, syntax: UID) -> None:
    ds = _ct_in(syntax, tmp_path)
    data_set = encoded(ds, syntax)
    with associated(node.port, [(CTImageStorage, syntax)]) as association:
        assert store(association, data_set, sop_instance_uid=UID_1).Status == 0x0000
    assert node.data_set(UID_1) == data_set
    row = node.instance(UID_1)
    assert (row.transfer_syntax_uid, row.ineligible) == (syntax, None)
    read = dcmread(node.blobs.absolute(row.path))
    assert read.file_meta.TransferSyntaxUID == syntax
    assert read.file_meta.MediaStorageSOPInstanceUID == UID_1
    assert read.file_meta.SendingApplicationEntityTitle == "SCU"
    assert read["PixelData"].value == ds["PixelData"].value


@pytest.mark.peers
def test_what_dcmtk_sends_is_in_the_file(node: Receiver, tmp_path: Path) -> None:
    ds = ct()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds.save_as(tmp_path / "sent.dcm", enforce_file_format=True)
    call = ("-xi", "-aet", "SCU", "-aec", "CTNODE", "127.0.0.1", str(node.port))
    sent = dcmtk_run("storescu", *call, tmp_path / "sent.dcm")
    assert sent.returncode == 0, sent.stderr
    stored = node.blobs.absolute(node.instance(UID_1).path)
    assert dcmread(stored) == dcmread(tmp_path / "sent.dcm")
    assert dcmtk_run("dcmftest", stored).stdout.startswith("yes:")


def test_every_storage_class_of_the_standard_is_negotiated_and_kept(node: Receiver) -> None:
    """In associations of at most 128 contexts; what is no CT image is kept and said to be none."""
    for start in range(0, len(STORAGE_SOP_CLASSES), 100):
        classes = STORAGE_SOP_CLASSES[start : start + 100]
        with associated(node.port, [(uid, LE) for uid in classes]) as association:
            assert len(association.accepted_contexts) == len(classes)
            for place, context in enumerate(association.accepted_contexts):
                uid = str(context.abstract_syntax)
                ds = ct(start + place, series=f"2.25.{start + place}", SOPClassUID=uid, PixelData=None)
                answer = store(
                    association,
                    encoded(ds),
                    sop_class_uid=uid,
                    sop_instance_uid=str(ds.SOPInstanceUID),
                    context=place,
                )
                assert answer.Status == 0x0000, UID(uid).name
                expected = f"not CT image data: {UID(uid).name}"
                if uid.startswith(f"{CTImageStorage}") and uid[len(CTImageStorage) :] in ("", ".1", ".2"):
                    expected = "no Pixel Data"
                assert node.instance(str(ds.SOPInstanceUID)).ineligible == expected
    assert len(STORAGE_SOP_CLASSES) > 150
    assert {series.state for series in node.kept().series} == {SeriesState.RECEIVING}


def test_every_transfer_syntax_is_negotiated(node: Receiver) -> None:
    contexts = [(CTImageStorage, syntax) for syntax in STORAGE_TRANSFER_SYNTAXES]
    for context in contexts:
        with associated(node.port, [context]) as association:
            (accepted,) = association.accepted_contexts
            assert accepted.transfer_syntax == [context[1]]


def test_a_write_that_fails_is_refused_for_now(node: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise Unavailable("the file system refuses: Read-only file system")

    with associated(node.port) as association:
        monkeypatch.setattr(node.instances, "keep", full)
        answer = store(association, encoded(ct()), sop_instance_uid=UID_1)
    assert (answer.Status, answer.ErrorComment) == (0xA700, "the file system refuses: Read-only file system")
    assert node.kept() == NOTHING


@pytest.mark.peers
def test_dcmtk_shows_our_words(node: Receiver, tmp_path: Path) -> None:
    assert send(node.port, ct()).Status == 0x0000
    other = ct(1, PixelData=b"\7" * 512)
    other.file_meta = FileMetaDataset()
    other.file_meta.TransferSyntaxUID = LE
    other.save_as(tmp_path / "other.dcm", enforce_file_format=True)
    call = ("-v", "-aet", "SCU", "-aec", "CTNODE", "127.0.0.1", str(node.port))
    sent = dcmtk_run("storescu", *call, tmp_path / "other.dcm")
    assert "Received Store Response (Unknown Status: 0x111)" in sent.stderr
    assert len(node.events("kept aside")) == 1
