"""C-STORE as SCU: the stored bytes arrive, and every object has its outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    MRImageStorage,
    SegmentationStorage,
)
from pynetdicom import AllStoragePresentationContexts, evt

from node.addresses import PeerAddress
from node.association_failure import Cause, Failure
from node.outgoing import Outgoing
from node.part10 import file_head
from node.requestor import NotAssociated, Requested, requested
from node.scu import Sent, batches, store
from node.send import find, send
from node.store_status import Disposition
from storage.errors import PeerRefused, PeerUnavailable, Unreadable
from tests.node.scu_peers import (
    FAST,
    SHORT,
    Store,
    ct,
    data_set_part,
    free_port,
    here,
    listener,
    needs_dcmtk,
    rejects,
    scp,
    storescp,
    write,
)

BOTH = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
CT_BOTH = [(CTImageStorage, BOTH)]


def sent_to(called: Any, objects: Sequence[Any], **settings: Any) -> list[Sent]:
    return list(store(called, objects, calling_ae="CTNODE", **({"timeouts": FAST} | settings)))


def files(folder: Path, count: int = 3, **attributes: Any) -> list[Path]:
    return [write(ct(number, **attributes), folder / f"{number}.dcm") for number in range(count)]


def dispositions(sent: Sequence[Sent]) -> list[Disposition]:
    return [each.disposition for each in sent]


def jpeg_ls(number: int) -> Dataset:
    ds = ct(number)
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    ds.PixelData = encapsulate([b"\xff\xd8 not decoded by anybody here \xff\xd9"])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def encoded(number: int, syntax: UID) -> Dataset:
    ds = ct(number)
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


MAKERS: dict[str, Callable[[int], Dataset]] = {
    "explicit": ct,
    "implicit": lambda number: encoded(number, ImplicitVRLittleEndian),
    "deflated": lambda number: encoded(number, DeflatedExplicitVRLittleEndian),
    "big endian": lambda number: encoded(number, ExplicitVRBigEndian),
    "JPEG-LS": jpeg_ls,
}


@needs_dcmtk
@pytest.mark.peers
def test_dcmtk_stores_the_very_bytes(tmp_path: Path) -> None:
    received = tmp_path / "received"
    received.mkdir()
    paths = [write(make(i), tmp_path / f"{i}.dcm") for i, make in enumerate(MAKERS.values())]
    with storescp(received, "+xa") as called:
        sent = sent_to(called, paths)
    assert [(each.disposition, each.status) for each in sent] == [(Disposition.STORED, 0)] * len(paths)
    expected = {f"2.25.8{i}": data_set_part(path) for i, path in enumerate(paths)}
    arrived = {str(dcmread(p).SOPInstanceUID): data_set_part(p) for p in received.iterdir()}
    assert arrived == expected


@pytest.mark.parametrize("kind", MAKERS)
def test_each_syntax_is_sent_as_it_is(tmp_path: Path, kind: str) -> None:
    path = write(MAKERS[kind](1), tmp_path / "1.dcm")
    syntax = dcmread(path).file_meta.TransferSyntaxUID
    handler = Store()
    with scp([(CTImageStorage, [*BOTH, syntax])], handler.handlers) as called:
        assert dispositions(sent_to(called, [path])) == [Disposition.STORED]
    assert handler.came == [("2.25.81", str(syntax), data_set_part(path))]


def test_what_encoding_again_would_drop_arrives(tmp_path: Path) -> None:
    """A group length (PS3.5 7.2, retired): pydicom reads it and never writes it."""
    path = write(ct(1), tmp_path / "1.dcm")
    data_set = data_set_part(path)
    group_length = bytes.fromhex("08000000554C0400") + (100).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().removesuffix(data_set) + group_length + data_set)
    handler = Store()
    with scp(CT_BOTH, handler.handlers) as called:
        assert dispositions(sent_to(called, [path])) == [Disposition.STORED]
    assert handler.came[0][2] == group_length + data_set


@pytest.mark.parametrize(("kind", "only"), [("explicit", BOTH[1]), ("implicit", BOTH[0])])
def test_a_peer_that_knows_only_the_other_syntax(tmp_path: Path, kind: str, only: UID) -> None:
    path = write(MAKERS[kind](1), tmp_path / "1.dcm")
    handler = Store()
    with scp([(CTImageStorage, [only])], handler.handlers) as called:
        assert dispositions(sent_to(called, [path])) == [Disposition.STORED]
    _, syntax, data_set = handler.came[0]
    copy = tmp_path / "copy.dcm"
    original = dcmread(path)
    copy.write_bytes(_with_meta(original, only, data_set))
    assert syntax == only
    assert dcmread(copy) == original


def _with_meta(ds: Dataset, syntax: UID, data_set: bytes) -> bytes:
    head = file_head(
        sop_class_uid=str(ds.SOPClassUID),
        sop_instance_uid=str(ds.SOPInstanceUID),
        transfer_syntax_uid=str(syntax),
        sending_ae="A",
        receiving_ae="B",
    )
    return head + data_set


def test_a_data_set_in_memory(tmp_path: Path) -> None:
    handler = Store()
    with scp(CT_BOTH, handler.handlers) as called:
        assert dispositions(sent_to(called, [ct(5)])) == [Disposition.STORED]
    path = write(ct(5), tmp_path / "5.dcm")
    assert handler.came == [("2.25.85", ExplicitVRLittleEndian, data_set_part(path))]


def test_one_sop_class_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    handler = Store()
    seg = write(ct(9, SOPClassUID=SegmentationStorage), tmp_path / "seg.dcm")
    paths = [seg, *files(tmp_path, 2)]
    with scp(CT_BOTH, handler.handlers) as called:
        sent = sent_to(called, paths)
    assert dispositions(sent) == [Disposition.NOT_TAKEN, Disposition.STORED, Disposition.STORED]
    assert sent[0].reason == (
        "the peer does not accept Segmentation Storage in Explicit VR Little Endian: "
        "abstract syntax not supported"
    )
    assert handler.associations == 1


def test_every_sop_class_is_refused(tmp_path: Path) -> None:
    with scp([(MRImageStorage, BOTH)]) as called:
        sent = sent_to(called, files(tmp_path, 2))
    assert dispositions(sent) == [Disposition.NOT_TAKEN, Disposition.NOT_TAKEN]
    assert sent[1].reason.endswith("Explicit VR Little Endian: abstract syntax not supported")


def test_a_transfer_syntax_is_refused(tmp_path: Path) -> None:
    paths = [write(jpeg_ls(7), tmp_path / "7.dcm"), *files(tmp_path, 1)]
    with scp(CT_BOTH, Store().handlers) as called:
        sent = sent_to(called, paths)
    assert dispositions(sent) == [Disposition.NOT_TAKEN, Disposition.STORED]
    assert sent[0].reason.endswith("transfer syntax not supported")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0xB000, Disposition.WARNING),
        (0x0111, Disposition.ALREADY_THERE),
        (0xA700, Disposition.LATER),
        (0xA900, Disposition.NOT_TAKEN),
        (0xC123, Disposition.REFUSED),
    ],
)
def test_a_status_and_its_comment(tmp_path: Path, status: int, expected: Disposition) -> None:
    answer = Dataset()
    answer.Status, answer.ErrorComment = status, "in the peer's words"
    with scp(CT_BOTH, Store(lambda event: answer).handlers) as called:
        (sent,) = sent_to(called, files(tmp_path, 1))
    assert (sent.disposition, sent.status, sent.comment) == (expected, status, "in the peer's words")
    assert (sent.sop_instance_uid, sent.sop_class_uid) == ("2.25.80", str(CTImageStorage))


def aborts(times: int) -> Callable[[Any], int]:
    """Aborts the association on the first objects."""
    left = [times]

    def answer(event: Any) -> int:
        if left[0]:
            left[0] -= 1
            event.assoc.abort()
        return 0x0000

    return answer


def test_an_object_without_response_is_sent_once_more(tmp_path: Path) -> None:
    handler = Store(aborts(1))
    with scp(CT_BOTH, handler.handlers) as called:
        sent = sent_to(called, files(tmp_path, 3))
    assert dispositions(sent) == [Disposition.STORED] * 3
    assert [uid for uid, _, _ in handler.came] == ["2.25.80", "2.25.80", "2.25.81", "2.25.82"]
    assert handler.associations == 2


def test_an_object_without_response_twice_is_unknown(tmp_path: Path) -> None:
    handler = Store(aborts(2))
    with scp(CT_BOTH, handler.handlers) as called:
        sent = sent_to(called, files(tmp_path, 3))
    assert dispositions(sent) == [Disposition.UNKNOWN, Disposition.STORED, Disposition.STORED]
    assert sent[0].status is None
    assert handler.associations == 3


def test_an_object_that_ends_the_peer_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It went out, and nobody is there to take it once more: it may be what the peer died of."""
    calls = count()

    @contextmanager
    def once(called: PeerAddress, **settings: Any) -> Iterator[Requested]:
        if next(calls):
            failure = Failure(cause=Cause.CONNECTION_REFUSED, called=called, calling_ae="CTNODE")
            raise NotAssociated(failure)
        with requested(called, **settings) as peer:
            yield peer

    monkeypatch.setattr("node.scu.requested", once)
    handler = Store(aborts(1))
    with scp(CT_BOTH, handler.handlers) as called:
        sending = store(called, files(tmp_path, 3), calling_ae="CTNODE", timeouts=SHORT)
        first = next(sending)
        with pytest.raises(PeerUnavailable, match="nothing listens there"):
            next(sending)
    assert (first.disposition, first.sop_instance_uid) == (Disposition.UNKNOWN, "2.25.80")
    assert first.reason.startswith("sent once, and no response seen: the peer may have it; then 127.0.0.1 ")


def test_a_peer_that_stops_answering_is_left_in_time(tmp_path: Path) -> None:
    over = threading.Event()
    handler = Store(lambda event: 0 * over.wait(20))
    with scp(CT_BOTH, handler.handlers) as called:
        sent = sent_to(called, files(tmp_path, 1), timeouts=SHORT)
        over.set()
    assert dispositions(sent) == [Disposition.UNKNOWN]


def test_a_peer_that_stops_reading_is_left_in_time(tmp_path: Path) -> None:
    """The write has a deadline: without one this test would not end before the peer reads on."""
    over = threading.Event()
    stop_reading = (evt.EVT_PDU_RECV, lambda event: event.assoc.is_established and over.wait(60))
    big = write(ct(1, PixelData=bytes(32_000_000)), tmp_path / "big.dcm")
    done: list[Sent] = []
    with scp(CT_BOTH, [*Store().handlers, stop_reading]) as called:
        sender = threading.Thread(target=lambda: done.extend(sent_to(called, [big], timeouts=SHORT)))
        sender.start()
        sender.join(30)
        alive = sender.is_alive()
        over.set()
        sender.join(30)
    assert not alive
    assert dispositions(done) == [Disposition.UNKNOWN]


def test_no_response_is_lost_over_many_objects(tmp_path: Path) -> None:
    """pynetdicom's own `send_c_store` loses one in some hundreds: its reactor takes it (`node.requestor`)."""
    each = Outgoing.of_dataset(ct(1))
    handler = Store()
    with scp(CT_BOTH, handler.handlers) as called:
        sent = sent_to(called, [each] * 500)
    assert dispositions(sent) == [Disposition.STORED] * 500
    assert (handler.associations, len(handler.came)) == (1, 500)


def test_what_was_answered_is_known_when_the_peer_goes_away(tmp_path: Path) -> None:
    with scp(CT_BOTH, Store(lambda event: 0x0000).handlers) as called:
        sending = store(called, files(tmp_path, 3), calling_ae="CTNODE", timeouts=SHORT)
        first = next(sending)
    assert (first.disposition, first.sop_instance_uid) == (Disposition.STORED, "2.25.80")
    with pytest.raises(PeerUnavailable, match="nothing listens there"):
        list(sending)


def test_nothing_listens(tmp_path: Path) -> None:
    with pytest.raises(PeerUnavailable, match="refuses connections"):
        sent_to(here(free_port()), files(tmp_path, 1))


@pytest.mark.parametrize("numbers", [(1, 1, 3), (1, 1, 7), (1, 1, 2)])
def test_a_permanent_rejection_is_not_tried_again(tmp_path: Path, numbers: tuple[int, int, int]) -> None:
    with listener(rejects(*numbers)) as called, pytest.raises(PeerRefused, match="the peer rejected"):
        sent_to(called, files(tmp_path, 1))


@pytest.mark.parametrize("numbers", [(2, 3, 1), (2, 3, 2), (2, 1, 1)])
def test_a_transient_rejection_is_tried_again(tmp_path: Path, numbers: tuple[int, int, int]) -> None:
    with listener(rejects(*numbers)) as called, pytest.raises(PeerUnavailable, match="the peer rejected"):
        sent_to(called, files(tmp_path, 1))


def outgoing(number: int, syntax: UID = ExplicitVRLittleEndian) -> Outgoing:
    return Outgoing(
        sop_class_uid=UID(f"1.2.3.{number}"),
        sop_instance_uid=UID(f"2.25.{number}"),
        transfer_syntax_uid=syntax,
        source=b"",
    )


def test_contexts_are_what_the_objects_need() -> None:
    """One class in three syntaxes: two of them are each other's stand-in."""
    objects = [outgoing(1, syntax) for syntax in (*BOTH, JPEGLSLossless, ExplicitVRLittleEndian)]
    ((syntaxes, batch),) = batches(objects)
    assert [syntax for _, syntax in syntaxes] == [*BOTH, JPEGLSLossless]
    assert batch == objects


@pytest.mark.parametrize(
    ("classes", "syntax", "sizes"),
    [
        (64, ExplicitVRLittleEndian, [128]),
        (65, ExplicitVRLittleEndian, [128, 2]),
        (128, JPEGLSLossless, [128]),
        (129, JPEGLSLossless, [128, 1]),
    ],
)
def test_no_association_proposes_more_than_128_contexts(classes: int, syntax: UID, sizes: list[int]) -> None:
    objects = [outgoing(number, syntax) for number in range(classes) for _ in range(2)]
    groups = batches(objects)
    assert [len(syntaxes) for syntaxes, _ in groups] == sizes
    assert [each for _, batch in groups for each in batch] == objects


def test_more_than_128_contexts_take_a_second_association() -> None:
    handler = Store()
    classes = [UID(str(context.abstract_syntax)) for context in AllStoragePresentationContexts[:70]]
    objects = [Outgoing.of_dataset(ct(i, SOPClassUID=uid)) for i, uid in enumerate(classes)]
    with scp([(uid, BOTH) for uid in classes], handler.handlers) as called:
        sent = sent_to(called, objects)
    assert dispositions(sent) == [Disposition.STORED] * 70
    assert handler.associations == 2


def test_a_folder_is_searched_and_what_is_no_object_is_counted(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    wanted = [write(ct(1), tmp_path / "below" / "1"), write(ct(2), tmp_path / "z")]
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / "empty").write_bytes(b"")
    write(ct(3, SOPClassUID=MediaStorageDirectoryStorage), tmp_path / "DICOMDIR")
    (tmp_path / "cut").write_bytes(wanted[0].read_bytes()[:200])
    found = find(tmp_path)
    assert [each.source for each in found.objects] == wanted
    assert found.skipped == 3
    assert [line.split(": ")[0] for line in found.broken] == [str(tmp_path / "cut")]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_file_cut_anywhere_in_its_head_is_unreadable(tmp_path: Path) -> None:
    whole = write(ct(1), tmp_path / "1.dcm").read_bytes()
    end = len(whole) - len(data_set_part(tmp_path / "1.dcm"))
    path = tmp_path / "cut.dcm"
    for length in range(end + 1):
        path.write_bytes(whole[:length])
        with pytest.raises(Unreadable):
            Outgoing.of_file(path)


def test_several_associations_share_the_work(tmp_path: Path) -> None:
    handler = Store()
    found = find(files(tmp_path, 7)[0].parent)
    told: list[str] = []
    with scp(CT_BOTH, handler.handlers) as called:
        summary = send(
            called,
            found.objects,
            calling_ae="CTNODE",
            jobs=3,
            on_sent=lambda each: told.append(each.sop_instance_uid),
            timeouts=FAST,
        )
    assert summary.complete
    assert (handler.associations, summary.counts) == (3, {(Disposition.STORED, 0, "Success"): 7})
    assert sorted(told) == sorted(uid for uid, _, _ in handler.came) == [f"2.25.8{i}" for i in range(7)]


def test_the_summary_of_a_peer_that_cannot_be_reached(tmp_path: Path) -> None:
    found = find(files(tmp_path, 4)[0].parent)
    summary = send(here(free_port()), found.objects, calling_ae="CTNODE", jobs=2, timeouts=SHORT)
    assert (summary.sent, summary.not_sent, summary.complete) == ((), 4, False)
    assert len(summary.errors) == 1
