"""Files that mean harm, and forms that are broken."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.workbench.prediction import upload
from inference.workbench.prediction.opening import open_uploads
from storage.errors import Refused
from tests.workbench.predicting import Served, as_form, packed, series, serving, soon, zipped


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("attacked"), upload_limit_mb=2, unpacked_limit_mb=3) as running:
        yield running


def refused(served: Served, content: bytes) -> str:
    answer = served.predict(content=content)
    assert answer.status_code == 400, answer.text
    assert soon(lambda: not served.uploads())
    return str(answer.json()["reason"])


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "..\\evil", "C:\\evil"])
def test_a_name_that_leads_out_is_refused(served: Served, tmp_path: Path, name: str) -> None:
    content = zipped(tmp_path / "a.zip", {"good": b"1", name: b"2"}).read_bytes()
    assert refused(served, content) == "entry 2 of 2 names a place outside the archive"


def test_a_link_is_refused(served: Served) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packing:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        packing.writestr(entry, "/etc/passwd")
    assert refused(served, made.getvalue()) == "entry 1 of 1 is a link"


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is(served: Served, tmp_path: Path) -> None:
    content = zipped(tmp_path / "a.zip", {"zeros": bytes(3_000_001)}).read_bytes()
    assert len(content) < 5000
    assert (
        refused(served, content) == "the zip archive unpacks to 3000001 bytes; at most 3000000 are unpacked"
    )


def test_several_archives_share_the_limit(served: Served, tmp_path: Path) -> None:
    half = zipped(tmp_path / "a.zip", {"zeros": bytes(1_600_000)})
    answer = served.predict(files=as_form([half, half]))
    assert answer.status_code == 400
    assert answer.json()["reason"] == "the zip archive unpacks to 1600000 bytes; at most 1400000 are unpacked"


def test_an_archive_in_an_archive_is_not_opened(served: Served, tmp_path: Path) -> None:
    inner = packed(tmp_path)
    outer = zipped(tmp_path / "outer.zip", {"inner.zip": inner, "inner": inner}).read_bytes()
    assert refused(served, outer).startswith("no CT found (2 foreign files")


def test_an_encrypted_archive_is_refused(served: Served, tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "a.zip", {"a": b"12345678"}).read_bytes())
    for at in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
        content[at] |= 1
    assert refused(served, bytes(content)) == "the zip archive cannot be read: RuntimeError"


def test_a_nifti_file_may_not_ask_for_all_memory(tmp_path: Path) -> None:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 30000, 30000, 8, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<12f", header, 280, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    header[344:348] = b"n+1\0"
    (tmp_path / "0000001").write_bytes(gzip.compress(bytes(header)))
    with pytest.raises(Refused, match="14400000000 bytes of voxels; at most 1000000 are read"):
        open_uploads(tmp_path, 1_000_000)


BOUNDARY = b"--x\r\n"
PART = b'Content-Disposition: form-data; name="files"; filename="../../evil"\r\n\r\n'


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (
            "multipart/form-data; boundary=x",
            BOUNDARY + PART + b"abc",
            "the form ends before its last boundary",
        ),
        (
            "multipart/form-data; boundary=x",
            b"no form",
            "the body is no multipart/form-data that can be read",
        ),
        ("multipart/form-data", BOUNDARY, "the body is no multipart/form-data that can be read"),
        (
            "multipart/form-data; boundary=x",
            BOUNDARY + b"A: " + b"a" * 9000 + b"\r\n\r\nx\r\n--x--\r\n",
            "the body is no multipart/form-data that can be read",
        ),
        (
            "multipart/form-data; boundary=x",
            BOUNDARY + b'Content-Disposition: form-data; name="files"\r\n\r\nno file\r\n--x--\r\n',
            "the request holds no file",
        ),
    ],
)
def test_a_form_that_is_broken_is_refused(served: Served, kind: str, body: bytes, reason: str) -> None:
    answer = served.predict(content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["reason"]) == (400, reason)
    assert soon(lambda: not served.uploads())


def test_a_file_name_of_a_form_names_nothing(served: Served, tmp_path: Path) -> None:
    files = [("files", ("../../../evil.dcm", path.read_bytes())) for path in series(tmp_path)]
    assert served.predict(files=files).status_code == 200
    assert not list(tmp_path.parent.rglob("evil*"))
    assert not list(served.spool.parent.rglob("evil*"))


def test_too_many_files_are_told_to_come_as_an_archive(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "MOST_FILES", 3)
    answer = served.predict(files=as_form(series(tmp_path)))
    assert answer.status_code == 413
    assert answer.json()["reason"] == "more than 3 files in one request: send a zip archive"
    assert soon(lambda: not served.uploads())


def test_a_full_disk_is_507(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: upload.Files, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upload.Files, "write", full)
    answer = served.predict(content=b"abc")
    assert (answer.status_code, answer.json()["error"]) == (507, "out of space")
    assert soon(lambda: not served.uploads())
