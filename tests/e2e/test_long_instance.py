"""A multi-frame instance that is longer than memory should be: taken in, and the memory stays flat.

CTNODE_TEST_LONG_MB makes it longer: 4000 is near to what an element of defined length can have.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom.presentation import build_context
from sqlalchemy import select

from node.bench.sender import Peer, association_request
from node.upper_layer.p_data import fragment_bytes, message_parts
from node.upper_layer.requests import store_request
from storage import schema
from storage.ledger import Ledger
from storage.stores import open_store
from tests.e2e.ports import free_port
from tests.node.holding import ct, encoded
from tests.waiting import eventually

LONG_MB: Final = int(os.environ.get("CTNODE_TEST_LONG_MB", "300"))
PIECE_BYTES: Final = 1 << 17
MORE_MB: Final = 120
"""What a process may take more for it: 64 MB of memory for the beginning, a window, what is read ahead."""

CONFIG = """\
node: {{ae_title: CTNODE, host: 127.0.0.1, port: {port}, console_port: {console_port}, receivers: 1}}
peers: [{{name: bench, ae_title: BENCHSCU, may_send: true, hosts: [127.0.0.1]}}]
storage: {{root: ./data, reserve_mb: 100, segment_mb: 16, spare_segments: 0}}
"""


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(port=port, console_port=free_port()))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "node.receiving", "--config", str(config)], stdout=log, stderr=log
        )
    try:
        yield process, port
    finally:
        process.terminate()
        process.wait(90)


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def piece(number: int) -> bytes:
    """Pixels that are the same nowhere else."""
    return struct.pack("<Q", number) * (PIECE_BYTES // 8)


def send(peer: Peer, number: int, pieces: int) -> int:
    """An instance of so many pieces of pixels, none of which is in memory for longer than it is sent."""
    ds = ct(number, NumberOfFrames=pieces, Rows=256, Columns=256, PixelData=None)
    length = pieces * PIECE_BYTES
    before = encoded(ds) + struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, length)
    lists = message_parts(
        1,
        store_request(number, str(CTImageStorage), str(ds.SOPInstanceUID)),
        fragment=fragment_bytes(peer.largest_pdu),
        pieces=_pieces(before, pieces),
        size_bytes=len(before) + length,
    )
    for parts in lists:
        peer.send(parts)
    return peer.response()


def _pieces(before: bytes, pieces: int) -> Iterator[memoryview]:
    yield memoryview(before)
    for number in range(pieces):
        yield memoryview(piece(number))


def associated(port: int) -> Peer | None:
    context = build_context(CTImageStorage, [ExplicitVRLittleEndian])
    try:
        return Peer(port, association_request("CTNODE", [context]))
    except OSError:
        return None


def test_a_long_instance_is_taken_in_and_the_memory_stays_flat(
    receiver: tuple[subprocess.Popen[bytes], int], tmp_path: Path
) -> None:
    process, port = receiver
    peer = eventually(lambda: associated(port), timeout_s=60, what="the receiver to listen")
    assert peer is not None
    assert send(peer, 1, pieces=1) == 0x0000
    before_mb = peak_mb(process.pid)
    pieces = LONG_MB * 1_000_000 // PIECE_BYTES
    assert send(peer, 2, pieces) == 0x0000
    peak_mb_after = peak_mb(process.pid)
    assert peak_mb_after - before_mb < MORE_MB, (
        f"{LONG_MB} MB: {before_mb:.0f} MB before, {peak_mb_after:.0f} MB"
    )
    peer.release()
    process.terminate()
    assert process.wait(90) == 0
    assert_stored(tmp_path / "data", pieces)


def assert_stored(root: Path, pieces: int) -> None:
    ledger = Ledger(f"sqlite:///{root / 'ledger.sqlite'}")
    with ledger.reading() as connection:
        rows = connection.execute(select(schema.instance.c.path, schema.instance.c.pixels)).all()
    ledger.close()
    store = open_store(root, kind="files", segment_bytes=1 << 20, spares=0)
    assert len(rows) == 2
    (locator, place) = next(row for row in rows if row.pixels["length"] == pieces * PIECE_BYTES)
    with store.open(locator) as file:
        file.seek(place["offset"])
        assert all(file.read(PIECE_BYTES) == piece(n) for n in range(pieces))
        assert file.read(1) == b""
    store.close()
