"""PACS to ask: DCMTK's dcmqrscp, and pynetdicom's Query SCP with a script."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import evt

from node.addresses import PeerAddress
from node.query import STUDY_ROOT_FIND
from node.scu import store
from tests.dcmtk import find
from tests.node.scu_peers import _wait_for, ct, free_port, here, scp, write

AE_TITLE = "QR"
CONFIG = """\
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{title} {folder} RW (500, 1024mb) ANY
AETable END
"""
STUDY, SERIES = "2.25.71", "2.25.72"
"""Of `tests.node.scu_peers.ct`."""


@contextmanager
def dcmqrscp(folder: Path) -> Iterator[PeerAddress]:
    """DCMTK's PACS, which knows no (0020,1209)."""
    (folder / "db").mkdir(parents=True)
    port = free_port()
    config = folder / "dcmqrscp.cfg"
    config.write_text(CONFIG.format(port=port, folder=folder / "db", title=AE_TITLE))
    command = [str(find("dcmqrscp")), "-c", str(config)]
    process = subprocess.Popen(command, env={**os.environ, "TCP_NODELAY": "1"}, stderr=subprocess.DEVNULL)
    try:
        _wait_for(process, port)
        yield here(port, AE_TITLE)
    finally:
        process.terminate()
        process.wait(10)


def fill(pacs: PeerAddress, folder: Path, numbers: Sequence[int]) -> list[str]:
    """Store these instances there; their SOP Instance UIDs."""
    folder.mkdir(exist_ok=True)
    # what dcmqrscp indexes must be there
    attributes = {
        "PatientName": "NOBODY",
        "PatientID": "0",
        "StudyID": "1",
        "StudyDate": "20260101",
        "StudyTime": "10",
        "AccessionNumber": "1",
        "SeriesNumber": 1,
    }
    files = [write(ct(n, InstanceNumber=n, **attributes), folder / f"{n}.dcm") for n in numbers]
    sent = list(store(pacs, files, calling_ae="CTNODE"))
    assert [each.disposition.settled for each in sent] == [True] * len(files)
    return [each.sop_instance_uid for each in sent]


class Find:
    """A C-FIND handler that keeps what was asked, and answers with a script."""

    def __init__(self, answer: Callable[[Dataset], list[tuple[int, Dataset | None]]]) -> None:
        self.asked: list[Dataset] = []
        self.associations = 0
        self._answer = answer

    def _on_find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        self.asked.append(event.identifier)
        yield from self._answer(event.identifier)

    def _on_established(self, event: Any) -> None:
        self.associations += 1

    @contextmanager
    def listening(self) -> Iterator[PeerAddress]:
        contexts = [(STUDY_ROOT_FIND, [ImplicitVRLittleEndian, ExplicitVRLittleEndian])]
        handlers = [(evt.EVT_C_FIND, self._on_find), (evt.EVT_ESTABLISHED, self._on_established)]
        with scp(contexts, handlers) as called:
            yield called


def match(identifier: Dataset, **attributes: Any) -> Dataset:
    """A match of a query: its keys, and these attributes."""
    ds = Dataset()
    ds.QueryRetrieveLevel = identifier.QueryRetrieveLevel
    ds.StudyInstanceUID, ds.SeriesInstanceUID = identifier.StudyInstanceUID, identifier.SeriesInstanceUID
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def counting(*counts: int) -> Callable[[Dataset], list[tuple[int, Dataset | None]]]:
    """Answers with these counts, one after the other; the last one for ever."""
    left = list(counts)

    def answer(identifier: Dataset) -> list[tuple[int, Dataset | None]]:
        count = left.pop(0) if len(left) > 1 else left[0]
        return [(0xFF00, match(identifier, NumberOfSeriesRelatedInstances=count))]

    return answer
