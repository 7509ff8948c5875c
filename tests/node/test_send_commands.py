"""The commands as an administrator types them: what they print and their exit codes."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from typer.testing import CliRunner, Result

from node.commands_scu import app
from node.requestor import VERIFICATION
from tests.node.scu_peers import (
    Store,
    ct,
    data_set_part,
    free_port,
    needs_dcmtk,
    scp,
    storescp,
    write,
)

BOTH = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
SERVICES = [(VERIFICATION, BOTH), (CTImageStorage, BOTH)]
REAL = Path(__file__).resolve().parents[2] / "../shared/data/dicom/abd-crlm-1006-ce.tar.xz"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("CTNODE_CONFIG", raising=False)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "200"})


def config(port: int, *, ae_title: str = "OURS") -> Path:
    path = Path("config.yaml")
    path.write_text(
        f"node: {{ae_title: {ae_title}, port: 11113}}\n"
        f"peers:\n- {{name: pacs, ae_title: PEER, hosts: [127.0.0.1], port: {port}}}\n"
        "- {name: mute, ae_title: MUTE}\n"
    )
    return path


def test_echo_of_a_peer_by_name() -> None:
    with scp(SERVICES, require_calling_aet=["OURS"]) as called:
        config(called.port)
        result = run("echo", "pacs")
    assert result.exit_code == 0
    assert re.fullmatch(rf"PEER@127\.0\.0\.1:{called.port} answers OURS \(\d+ ms\)\n", result.output)


def test_echo_says_what_the_peers_administrator_has_to_enter() -> None:
    with scp(SERVICES, require_calling_aet=["OTHER"]) as called:
        config(called.port)
        result = run("echo", "pacs")
    assert result.exit_code == 1
    assert "give its administrator this line: AE title OURS, address 127.0.0.1, port 11113 (" in result.output


def test_echo_by_address_needs_no_file() -> None:
    with scp(SERVICES, require_calling_aet=["SOMEBODY"]) as called:
        assert run("echo", called, "--calling", "SOMEBODY").exit_code == 0
        assert run("echo", called).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("echo", "nobody"), "no peer is named 'nobody'; there are: pacs, mute"),
        (("echo", "mute"), "peer 'mute' cannot be called: it needs a port and, as first host, a machine"),
        (("echo", "A@host"), "'A@host' does not have the form AE@HOST:PORT, such as PACS@10.0.0.9:104"),
        (("echo", "pacs", "--calling", "A\\B"), "holds '\\\\'"),
        (("echo", "pacs", "--config", "other.yaml"), "other.yaml: cannot be read: there is no such file"),
        (("echo", "A@h:1", "--config", "other.yaml"), "other.yaml: cannot be read: there is no such file"),
    ],
)
def test_what_cannot_be_called(arguments: tuple[str, ...], words: str) -> None:
    config(104)
    result = run(*arguments)
    assert result.exit_code == 1
    assert words in result.output


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = config(free_port()).rename(tmp_path / "elsewhere.yaml")
    monkeypatch.setenv("CTNODE_CONFIG", str(moved))
    assert "127.0.0.1 refuses connections" in run("echo", "pacs").output


def test_send_reports_each_status(tmp_path: Path) -> None:
    for number in range(3):
        write(ct(number), tmp_path / f"{number}.dcm")
    (tmp_path / "notes.txt").write_text("not DICOM")

    def answer(event: object) -> Dataset:
        response = Dataset()
        last = event.request.AffectedSOPInstanceUID == "2.25.82"  # type: ignore[attr-defined]
        response.Status, response.ErrorComment = (0xC001, "no such patient") if last else (0x0111, "")
        return response

    with scp(SERVICES, Store(answer).handlers) as called:
        result = run("send", tmp_path, "--to", called)
    assert result.exit_code == 1
    rows = [re.sub(r"\s*│\s*", "|", line).strip("|") for line in result.output.splitlines() if "│" in line]
    assert rows == [
        "2|0111|already there: Duplicate SOP Instance",
        "1|C001|refused: Error: Cannot Understand|no such patient",
    ]
    assert "1 files skipped: no DICOM objects" in result.output


def test_send_is_content_with_duplicates_and_warnings(tmp_path: Path) -> None:
    path = write(ct(1), tmp_path / "1.dcm")
    for status in (0x0000, 0x0111, 0xB007):
        with scp(SERVICES, Store(lambda event, status=status: status).handlers) as called:
            assert run("send", path, "--to", called).exit_code == 0


def test_send_of_nothing_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not DICOM")
    result = run("send", tmp_path / "notes.txt", "--to", "A@127.0.0.1:104")
    assert result.exit_code == 1
    assert "nothing to send" in result.output


def test_send_of_a_broken_file_is_a_failure(tmp_path: Path) -> None:
    whole = write(ct(1), tmp_path / "1.dcm")
    (tmp_path / "cut.dcm").write_bytes(whole.read_bytes()[:200])
    with scp(SERVICES, Store().handlers) as called:
        result = run("send", tmp_path, "--to", called)
    assert result.exit_code == 1
    assert f"{tmp_path}/cut.dcm: " in result.output


def test_send_to_nobody(tmp_path: Path) -> None:
    path = write(ct(1), tmp_path / "1.dcm")
    result = run("send", path, "--to", f"A@127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "1 not sent" in result.output
    assert "nothing listens there" in result.output


def test_check_config_says_what_it_means() -> None:
    config(104)
    result = run("check-config")
    assert result.exit_code == 0
    assert result.output.splitlines()[:4] == [
        "config.yaml: valid",
        "OURS listens on 0.0.0.0 port 11113",
        "peer pacs: PEER, 127.0.0.1: only called",
        "peer mute: MUTE, no hosts: only called",
    ]


def test_check_config_says_who_gets_which_results() -> None:
    text = "- {name: a, folder: /mnt/a}\n- {name: b, url: 'https://b/x', results: [sr, ko]}\n"
    Path("config.yaml").write_text(f"destinations:\n{text}")
    result = run("check-config")
    assert result.exit_code == 0
    said = result.output.replace("\n", " ")
    assert "results to a (/mnt/a): SR, SEG" in said
    assert "results to b (https://b/x): SR, KO" in said


def test_check_config_tells_every_fault() -> None:
    Path("config.yaml").write_text("node: {port: 0}\nnods: {}\n")
    result = run("check-config")
    assert result.exit_code == 1
    assert [line.split(": ")[:2] for line in result.output.splitlines()] == [
        ["config.yaml:1:14", "node.port"],
        ["config.yaml:2:1", "nods"],
    ]


def test_check_config_takes_the_file_as_its_argument(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("node: {ae_title: ABCDEFGHIJKLMNOPQ}\n")
    result = run("check-config", other)
    assert result.exit_code == 1
    assert f"{other}:1:18: node.ae_title: " in result.output.replace("\n", "")


@needs_dcmtk
@pytest.mark.peers
@pytest.mark.data
@pytest.mark.skipif(not REAL.exists(), reason="the real CT is not at ../shared/data")
def test_a_real_series_arrives_bit_for_bit(tmp_path: Path) -> None:
    series, received = tmp_path / "series", tmp_path / "received"
    received.mkdir()
    with tarfile.open(REAL) as archive:
        archive.extractall(series, filter="data")
    with storescp(received, "+xa") as called:
        result = run("send", series, "--to", called, "--jobs", 2)
    assert result.exit_code == 0, result.output
    sent = sorted(data_set_part(path) for path in series.rglob("*") if path.is_file())
    assert len(sent) > 40
    assert sorted(map(data_set_part, received.iterdir())) == sent
