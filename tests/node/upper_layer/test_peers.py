"""Other people's programs as peers."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from tests.node.receiving import SERIES, ct, dcmtk_run, receiver

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("kind", ["files", "segments"])
@pytest.mark.parametrize("pdu", [4096, 16384, 131072])
def test_storescu_with_pdus_of_every_size(tmp_path: Path, pdu: int, kind: str) -> None:
    files = []
    for number in (1, 2, 3):
        ds = ct(number, Rows=256, Columns=256, PixelData=bytes([number]) * 131_072)
        ds.ensure_file_meta()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
        files.append(tmp_path / f"{number}.dcm")
    with receiver(tmp_path / "node", kind=kind) as node:
        call = ("-pdu", str(pdu), "--max-send-pdu", str(pdu), "-aet", "SCU", "-aec", "CTNODE")
        sent = dcmtk_run("storescu", *call, "127.0.0.1", str(node.port), *files)
        assert sent.returncode == 0, sent.stderr
        assert node.kept().instances == tuple(f"{SERIES}.{number}" for number in (1, 2, 3))
        for number, path in enumerate(files, 1):  # storescu writes sequences its own way
            with node.instances.open(node.instance(f"{SERIES}.{number}").path) as file:
                assert dcmread(file) == dcmread(path)
        assert [row.ending for row in node.ended()] == ["released"]


def test_echoscu_repeats_and_aborts(tmp_path: Path) -> None:
    with receiver(tmp_path) as node:
        call = ("-aet", "SCU", "-aec", "CTNODE", "127.0.0.1", str(node.port))
        assert dcmtk_run("echoscu", "--repeat", "5", *call).returncode == 0
        assert dcmtk_run("echoscu", "--abort", *call).returncode == 0
        assert [row.ending for row in node.ended()] == ["released", "aborted"]
