"""Findings by HTTP: what goes in, what comes out, what stays behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import nibabel
import numpy as np
import pytest

from inference.report import NOT_FOR_DIAGNOSIS, to_json
from inference.workbench.prediction import spool
from inference.workbench.units import gathered
from inference.workbench.volume_reports import volume_reports
from storage.errors import ConfigError
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import save, stack_of, uid
from tests.workbench.predicting import (
    GO,
    TOKEN,
    Served,
    as_form,
    broken,
    packed,
    series,
    serving,
    soon,
    zipped,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests that leave it as it is."""
    with serving(tmp_path_factory.mktemp("predict"), upload_limit_mb=2) as served:
        yield served


def untimed(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [report | {"seconds": None} for report in reports]


def expected(path: Path) -> list[dict[str, Any]]:
    """What `inference.analyze` says of a path, with the tests' models."""
    with gathered(path) as found:
        told = [report.report for unit in found.units for report in volume_reports(unit, findings_of)]
    return untimed(json.loads(to_json(told)))


def test_a_zip_several_files_and_one_body_are_answered_as_analyze_answers(
    shared: Served, tmp_path: Path
) -> None:
    paths = series(tmp_path)
    contract = expected(tmp_path / "series")
    assert [(r["series_instance_uid"], r["eligible"], r["slices"]) for r in contract] == [
        (uid("series"), True, 6)
    ]
    by_zip = shared.predict(content=packed(tmp_path), headers={"Content-Type": "application/zip"})
    by_form = shared.predict(files=as_form(paths))
    for answer in (by_zip, by_form):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert untimed(answer.json()) == contract
        assert answer.json()[0]["warnings"][0] == NOT_FOR_DIAGNOSIS
    assert soon(lambda: not shared.uploads())


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_file_is_known_by_its_bytes(shared: Served, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    data = (np.arange(6 * 5 * 8, dtype=np.int16) * 7 - 900).reshape(6, 5, 8)
    nibabel.save(nibabel.Nifti1Image(data, np.diag([-1.0, -1.0, 4.0, 1.0])), file)
    answer = shared.predict(content=file.read_bytes())
    assert answer.status_code == 200, answer.text
    assert untimed(answer.json()) == expected(file)
    in_zip = zipped(tmp_path / "a.zip", {f"Doe{suffix}": file.read_bytes()})
    assert untimed(shared.predict(content=in_zip.read_bytes()).json()) == expected(file)


def test_a_refusal_names_instance_attribute_and_values(shared: Served, tmp_path: Path) -> None:
    datasets = stack_of(6)
    datasets[2].PixelSpacing = [0.7, 0.9]
    save(datasets, tmp_path / "ct")
    answer = shared.predict(files=as_form(sorted((tmp_path / "ct").iterdir())))
    told = answer.json()
    assert (answer.status_code, told["error"], told["notice"]) == (400, "refused", NOT_FOR_DIAGNOSIS)
    for part in ("PixelSpacing", "0.8 in 5 slices", "0.9 in 1 (instance 3)"):
        assert part in told["reason"]
    assert untimed(told["volumes"]) == expected(tmp_path / "ct")


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (b"", "unreadable", "the request holds no file"),
        (b"no DICOM", "refused", "no CT found (1 foreign files, 0 DICOMDIR, 0 copies)"),
        (b"PK\x03\x04 no archive", "unreadable", "the zip archive cannot be read: BadZipFile"),
        (b"\x1f\x8b no gzip", "refused", "the NIfTI file cannot be read: BadGzipFile"),
    ],
)
def test_what_cannot_be_read_is_400(shared: Served, content: bytes, error: str, reason: str) -> None:
    answer = shared.predict(content=content)
    assert (answer.status_code, answer.json()["error"], answer.json()["reason"]) == (400, error, reason)


def test_more_than_the_limit_is_413_whether_it_was_announced_or_not(shared: Served) -> None:
    body = bytes(2_000_001)
    announced = shared.predict(content=body)
    streamed = shared.predict(content=iter([body[:1_000_000], body[1_000_000:]]))
    for answer in (announced, streamed):
        assert answer.status_code == 413
        assert answer.json()["reason"] == "more than 2 MB in one request; this server takes no more"
        assert answer.headers["connection"] == "close"
    assert shared.predict(content=bytes(2_000_000)).status_code == 400  # as much as may be: no CT
    assert soon(lambda: not shared.uploads())


def test_a_client_that_waits_for_100_is_not_asked_to_send(shared: Served) -> None:
    host, _, port = shared.base.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST /predictions HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Content-Length: 3000000000\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_one_is_analysed_one_waits_and_a_third_is_told_to_come_again(tmp_path: Path) -> None:
    with serving(tmp_path, waiting_limit=1) as served:
        answers: list[httpx.Response] = []
        slow = packed(tmp_path, "slow")
        asking = [
            threading.Thread(target=lambda: answers.append(served.predict(content=slow))) for _ in range(2)
        ]
        for thread in asking:
            thread.start()
        soon(lambda: len([p for p in served.own_folder.glob("job-*/*") if p.is_dir()]) == 1)
        soon(lambda: len(list(served.own_folder.glob("job-*"))) == 2)
        third = served.predict(content=b"x")
        assert (third.status_code, third.json()["error"]) == (503, "busy")
        assert third.json()["reason"] == "one analysis runs and 1 wait: ask again in 30 s"
        assert third.headers["retry-after"] == "30"
        (tmp_path / GO).touch()
        for thread in asking:
            thread.join(300)
        assert [answer.status_code for answer in answers] == [200, 200]
        assert served.predict(content=b"x").status_code == 400


def test_files_that_end_the_worker_end_no_other_request(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        killed = served.predict(content=packed(tmp_path, "killer"))
        assert (killed.status_code, killed.json()["error"]) == (500, "internal error")
        assert killed.json()["reason"] == "the worker process was ended by SIGKILL at these files"
        bug = served.predict(content=packed(tmp_path, "bug"))
        assert bug.status_code == 500
        assert bug.json()["reason"] == "an error of ours, KeyError: the log says where"
        assert served.predict(content=packed(tmp_path)).status_code == 200
        assert soon(lambda: not served.uploads())


def test_an_analysis_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path, limit_s=0.5) as served:
        answer = served.predict(content=packed(tmp_path, "stuck"))
        assert (answer.status_code, answer.json()["reason"]) == (504, "not done in 0.5 s")
        assert soon(lambda: not served.uploads())


def test_models_that_cannot_be_loaded_are_named(tmp_path: Path) -> None:
    with serving(tmp_path, broken) as served:
        answer = served.predict(content=packed(tmp_path))
        assert answer.status_code == 500
        assert answer.json()["reason"] == "the models cannot be loaded: the worker ended with exit code 7"


def test_an_upload_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path, silent_limit_s=0.3) as served:
        host, _, port = served.base.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(
                f"POST /predictions HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
                "Content-Length: 1000\r\n\r\nPK".encode()
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 408")
        assert soon(lambda: not served.uploads())


def test_an_upload_that_breaks_off_leaves_nothing(shared: Served) -> None:
    host, _, port = shared.base.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST /predictions HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Content-Length: 1000\r\n\r\nPK".encode()
        )
        soon(lambda: [p for p in shared.uploads() if p.is_file()], what="the file to be begun")
    assert soon(lambda: not shared.uploads())


def test_the_folder_goes_with_the_server_and_what_a_killed_one_left_with_the_next(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        root, held = served.spool, served.own_folder
        assert root.stat().st_mode & 0o777 == held.stat().st_mode & 0o777 == 0o700
        left = root / "server-1-dead"
        (left / "job-1").mkdir(parents=True)
        (left / "job-1" / "0000001").write_bytes(b"a patient")
        (left / spool.LOCK).touch()
        assert spool.sweep(root) == 1
        assert sorted(root.iterdir()) == [held]
    assert list(root.iterdir()) == []


def test_a_folder_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o755)
    with pytest.raises(ConfigError, match="is not this user's alone"), serving(tmp_path):
        raise AssertionError("it was used")
    (tmp_path / "spool").rmdir()
    (tmp_path / "spool").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="is not this user's alone"), serving(tmp_path):
        raise AssertionError("it was used")


def test_a_port_that_is_taken_is_a_sentence(shared: Served, tmp_path: Path) -> None:
    port = int(shared.base.rpartition(":")[2])
    taken = pytest.raises(ConfigError, match=f"port {port} cannot be listened on: Address already in use")
    with taken, serving(tmp_path, port=port):
        raise AssertionError("two listen")


def test_the_description_is_openapi(shared: Served) -> None:
    told = shared.ask("GET", "/openapi.json").json()
    assert told["openapi"].startswith("3.1")
    assert list(told["paths"]) == ["/predictions"]
    post = told["paths"]["/predictions"]["post"]
    assert set(post["requestBody"]["content"]) >= {"application/zip", "multipart/form-data"}
    assert set(post["responses"]) == {
        "200", "400", "401", "403", "408", "413", "500", "503", "504", "507",
    }  # fmt: skip
    assert post["security"] == [{"token": []}]
    assert told["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert shared.ask("GET", "/docs").status_code == 404


def test_the_command_prints_its_address_and_ends_cleanly(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    command = [sys.executable, "-m", "node", "predict", "serve", "--port", "0", "--spool", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        answer = soon(lambda: _got(address))
        assert (answer.status_code, "Analyse CT" in answer.text) == (200, True)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=300)
    assert process.returncode in (0, -signal.SIGINT, 130), told
    assert "Traceback" not in told
    assert address.partition("token=")[2] not in told
    assert list(root.iterdir()) == []


def test_a_killed_server_takes_its_worker_with_it_and_the_next_sweeps(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    command = [sys.executable, "-m", "node", "predict", "serve", "--port", "0", "--spool", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    (left,) = root.iterdir()
    workers = _children(process.pid)
    process.kill()
    process.wait(20)
    process.stdout.close()
    assert left.exists()
    assert workers
    assert soon(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    with serving(tmp_path) as served:
        assert not left.exists()
        assert served.predict(content=b"x").status_code == 400


def _children(pid: int) -> list[int]:
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in told if int(child) != os.getpid()]


def _got(address: str) -> httpx.Response | None:
    try:
        return httpx.get(address, follow_redirects=True, timeout=20, cookies=httpx.Cookies())
    except httpx.TransportError:
        return None
