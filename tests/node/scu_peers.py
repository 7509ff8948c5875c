"""Peers to call: DCMTK's storescp, pynetdicom's SCP with a script, and bare sockets that misbehave."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt

from node.addresses import PeerAddress
from node.transport import Timeouts
from tests.dcmtk import find

FAST = Timeouts(connect_s=5, acse_s=5, dimse_s=5, network_s=5)
SHORT = Timeouts(connect_s=0.5, acse_s=0.5, dimse_s=0.5, network_s=0.5)

needs_dcmtk = pytest.mark.skipif(find("storescp") is None, reason="DCMTK is not installed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def here(port: int, ae_title: str = "PEER") -> PeerAddress:
    return PeerAddress(ae_title=ae_title, host="127.0.0.1", port=port)


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[PeerAddress]:
    """DCMTK's storescp, writing into a folder what it receives, bit for bit."""
    port = free_port()
    command = [str(find("storescp")), "+B", "-od", str(folder), *options, str(port)]
    process = subprocess.Popen(command, env={**os.environ, "TCP_NODELAY": "1"}, stderr=subprocess.DEVNULL)
    try:
        _wait_for(process, port)
        yield here(port)
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    pause = threading.Event()
    for _ in range(500):
        assert process.poll() is None, "storescp ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(0.02)
    raise AssertionError("storescp does not listen")


@contextmanager
def scp(
    contexts: Sequence[tuple[str, Sequence[str]]], handlers: Sequence[Any] = (), **settings: Any
) -> Iterator[PeerAddress]:
    """pynetdicom's SCP with SOP classes and their transfer syntaxes, handlers, and settings of its AE."""
    entity = AE(ae_title="PEER")
    for sop_class, syntaxes in contexts:
        entity.add_supported_context(sop_class, list(syntaxes))
    for name, value in settings.items():
        setattr(entity, name, value)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=list(handlers))
    try:
        yield here(server.socket.getsockname()[1])
    finally:
        entity.shutdown()  # aborts what is open


@contextmanager
def listener(talk: Callable[[socket.socket], None]) -> Iterator[PeerAddress]:
    """A bare socket; `talk` has each connection in turn, and it is closed when `talk` returns."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield here(server.getsockname()[1])
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)
        assert not thread.is_alive(), "the caller did not hang up"


def read_pdu(connection: socket.socket) -> bytes:
    """One PDU: type, reserved, length in four bytes, body (PS3.8 9.3.1)."""
    head = connection.recv(6, socket.MSG_WAITALL)
    return head + connection.recv(int.from_bytes(head[2:6], "big"), socket.MSG_WAITALL)


def silent(connection: socket.socket) -> None:
    """Reads until the caller hangs up, and says nothing."""
    with suppress(ConnectionResetError):
        while connection.recv(65536):
            pass


def rejects(result: int, source: int, reason: int) -> Callable[[socket.socket], None]:
    """Answers the A-ASSOCIATE-RQ with an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    def talk(connection: socket.socket) -> None:
        read_pdu(connection)
        connection.sendall(bytes([3, 0, 0, 0, 0, 4, 0, result, source, reason]))
        silent(connection)

    return talk


def ct(number: int, **attributes: Any) -> Dataset:
    """A small CT image of nobody, with what re-encoding would change: an undefined-length sequence."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = f"2.25.8{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.71", "2.25.72"
    ds.Modality, ds.PatientName, ds.PatientID = "CT", "", ""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99X", "x"
    item.is_undefined_length_sequence_item = True
    ds.ProcedureCodeSequence = [item]
    ds["ProcedureCodeSequence"].is_undefined_length = True
    ds.Rows, ds.Columns, ds.SamplesPerPixel = 16, 16, 1
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelData = np.arange(number, number + 256, dtype="<i2").tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def write(ds: Dataset, path: Path) -> Path:
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)
    return path


def data_set_part(path: Path) -> bytes:
    """What follows the File Meta Information, found by its group length (PS3.10 7.1)."""
    raw = path.read_bytes()
    assert raw[128:132] == b"DICM"
    return raw[144 + int.from_bytes(raw[140:144], "little") :]


class Store:
    """A C-STORE handler that keeps what came and answers with a script."""

    def __init__(self, answer: Callable[[Any], Any] = lambda event: 0x0000) -> None:
        self.answer = answer
        self.came: list[tuple[str, str, bytes]] = []  # SOP Instance UID, transfer syntax, data set
        self.associations = 0

    def _on_store(self, event: Any) -> Any:
        request = event.request
        syntax = str(event.context.transfer_syntax)
        self.came.append((str(request.AffectedSOPInstanceUID), syntax, request.DataSet.getvalue()))
        return self.answer(event)

    def _on_established(self, event: Any) -> None:
        self.associations += 1

    @property
    def handlers(self) -> list[Any]:
        return [(evt.EVT_C_STORE, self._on_store), (evt.EVT_ESTABLISHED, self._on_established)]
