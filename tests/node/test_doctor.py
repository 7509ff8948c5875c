"""The doctor's checks one by one: what is measured, who is told what, what is written."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from node.addresses import PeerAddress
from node.config import Config, Inference, Node, Peer, Storage, Tls
from node.destinations import Destination, FolderAddress, ReadBack, WebAddress
from node.doctor import elsewhere, machine, own, reach, services
from node.doctor.examination import Examination, Wishes, examine
from node.doctor.findings import Finding, Outcome, failed
from node.doctor.services import CLASSES, judge
from node.doctor.trial_object import trial_object
from node.doctor.view import findings_view
from storage import events
from storage.kinds import Kind
from storage.ledger import Ledger
from storage.records import Event
from tests.node.authority import Authority, needs_openssl
from tests.node.receiving import Store, free_port
from tests.node.scu_peers import FAST, here, listener, needs_dcmtk, rejects, scp, silent, write
from tests.node.scu_peers import Store as StoreHandler
from tests.node.test_tls_send import dcmtk as dcmtk_tls

OK, WARNING, FAILED, NOT_CHECKED = Outcome.OK, Outcome.WARNING, Outcome.FAILED, Outcome.NOT_CHECKED
NOW = 1_000_000.0
WAY = PeerAddress(ae_title="PACS", host="127.0.0.1", port=104)


def peer(**changes: Any) -> Peer:
    values: dict[str, Any] = {"name": "pacs", "ae_title": "PACS", "may_send": True, "hosts": ("10.0.0.7",)}
    return Peer(**(values | changes))


def one(findings: list[Finding]) -> Finding:
    (found,) = findings
    return found


# the machine


def test_disk_space_is_held_against_the_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk(free_mb: int) -> list[Finding]:
        usage = type("Usage", (), {"free": free_mb * 1_000_000})
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _path: usage)
        return machine.disk(Config(storage=Storage(root=tmp_path, reserve_mb=1000)))

    assert [each.outcome for each in disk(2000)] == [OK, OK]
    assert [each.outcome for each in disk(1999)] == [WARNING, OK]
    space, sync = disk(999)
    assert (space.outcome, sync.check) == (FAILED, "disk sync")
    assert space.measured == (
        f"999 MB free in {tmp_path}, 1000 MB reserved: senders are asked to come again later"
    )
    assert space.write.startswith("storage:\n  reserve_mb: 499")
    assert sync.measured.endswith(" ms until 4096 bytes are on stable storage")


def test_a_slow_disk_and_a_root_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(storage=Storage(root=tmp_path, reserve_mb=0))
    monkeypatch.setattr(machine, "_synced_ms", lambda _root: 50.0)
    assert machine.disk(config)[1].outcome is WARNING
    monkeypatch.setattr(machine, "_synced_ms", lambda _root: 49.9)
    assert machine.disk(config)[1].outcome is OK
    absent = one(machine.disk(Config(storage=Storage(root=tmp_path / "none"))))
    assert (absent.outcome, "no node has run here yet" in absent.measured) == (NOT_CHECKED, True)


@pytest.mark.parametrize(("kept", "outcome"), [(True, OK), (False, WARNING), (None, OK)])
def test_the_clock(monkeypatch: pytest.MonkeyPatch, kept: bool | None, outcome: Outcome) -> None:
    monkeypatch.setattr(machine, "_synchronised", lambda: kept)
    assert one(machine.clock(NOW, NOW)).outcome is outcome
    _, ahead = machine.clock(NOW + 3600, NOW)
    assert (ahead.outcome, ahead.measured) == (
        WARNING,
        "the ledger has entries 3600 s ahead: the clock was set back",
    )


def test_the_kernel_says_whether_the_clock_is_kept() -> None:
    """`timedatectl` and `chronyc` are not everywhere; adjtimex(2) is on Linux."""
    assert machine._synchronised() in (True, False, None)


DEVICES = [
    ("auto", [], OK, ""),
    ("cpu", [], OK, ""),
    ("cuda", [], FAILED, "inference:\n  device: auto"),
    ("cuda:1", ["A"], FAILED, "inference:\n  device: auto"),
    ("cuda:1", ["A", "B"], OK, ""),
]


@pytest.mark.parametrize(("wanted", "devices", "outcome", "write"), DEVICES)
def test_the_device_is_there(wanted: str, devices: list[str], outcome: Outcome, write: str) -> None:
    said = {"torch": "2.1", "devices": devices, "free_mb": [1000] * len(devices)}
    found = machine.device(Config(inference=Inference(device=wanted)), ask=lambda: said)
    assert (found.outcome, found.write) == (outcome, write)
    assert found.measured.startswith(f"inference.device is {wanted}: torch 2.1, ")


def test_torch_is_asked_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    said = machine._ask_torch()
    assert len(said["devices"]) == len(said["free_mb"])
    monkeypatch.setattr(machine, "ASK_TORCH", "import no_torch_here")
    found = machine.device(Config())
    assert found.outcome is FAILED
    assert found.measured == ("torch cannot be loaded: ModuleNotFoundError: No module named 'no_torch_here'")


# ourselves


def test_a_port_on_which_nobody_listens_and_one_on_which_somebody_does() -> None:
    port = free_port()
    config = Config(node=Node(host="127.0.0.1", port=port))
    absent = one(own.ports(config))
    assert (absent.outcome, "`ctnode serve` starts it" in absent.measured) == (FAILED, True)
    with socket.create_server(("127.0.0.1", port)):
        assert one(own.ports(config)).outcome is OK


def test_an_address_that_is_not_ours() -> None:
    found = one(own.ports(Config(node=Node(host="192.0.2.1", port=free_port()))))
    assert found.outcome is FAILED
    assert "could not have the port" in found.measured


def test_the_database(tmp_path: Path) -> None:
    config = Config(storage=Storage(root=tmp_path))
    absent, ledger = own.database(config)
    assert (absent.outcome, ledger) == (NOT_CHECKED, None)
    assert not (tmp_path / "ledger.sqlite").exists()  # a question makes none
    made = Ledger(config.storage.database_url)
    made.migrate()
    found, ledger = own.database(config)
    assert found.outcome is OK and ledger is not None
    assert found.measured.endswith(f"answers; version {own.newest_version()}")
    assert own.newest_entry(ledger) is None
    with made.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        events.tell(connection, Event(at=5.0, kind="receiver listens", subject="x", detail=""))
    assert own.newest_entry(ledger) == 5.0
    old, ledger = own.database(config)
    assert (old.outcome, ledger) == (WARNING, None)
    made.close()
    for file in tmp_path.glob("ledger.sqlite*"):
        file.unlink()
    (tmp_path / "ledger.sqlite").write_bytes(b"no database at all, but some bytes" * 100)
    broken, ledger = own.database(config)
    assert (broken.outcome, ledger) == (FAILED, None)


@needs_openssl
def test_tls_files(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    good = authority.sign("node")
    now = time.time()
    ends, chain = own.tls(authority.tls(good), now)
    assert [each.outcome for each in (ends, chain)] == [OK, OK]
    assert ends.measured in ("ours ends in 365 days; its key fits", "ours ends in 364 days; its key fits")
    ends, chain = own.tls(authority.tls(authority.sign("late", days=20)), now)
    assert (ends.outcome, chain.outcome) == (WARNING, OK)
    ends, chain = own.tls(other.tls(good), now)
    assert chain.outcome is WARNING
    assert chain.measured.startswith("nobody in tls.authorities vouches for our certificate")
    ended = own.tls(authority.tls(authority.sign("gone", days=-1)), now)[0]
    assert (ended.outcome, ended.measured) == (FAILED, "ours ended 1 days ago: renew it")
    mixed = replace(good, key=authority.sign("another").key)
    found = one(own.tls(authority.tls(mixed), now))
    assert (found.outcome, "is not the key of tls.certificate" in found.measured) == (FAILED, True)
    assert one(own.tls(Tls(), now)).outcome is NOT_CHECKED


# a peer, both ways


def outward(address: PeerAddress, **changes: Any) -> Finding:
    config = Config(node=Node(port=11112))
    return reach.outward(config, peer(**changes), address, FAST)[0]


def test_a_peer_that_does_not_know_us_is_told_the_line() -> None:
    with listener(rejects(1, 1, 3)) as called:
        found = outward(called)
    assert found.outcome is FAILED
    assert found.tell == "Add AE title CTNODE, host 127.0.0.1, port 11112."


def test_a_peer_that_is_called_by_a_wrong_title() -> None:
    with listener(rejects(1, 1, 7)) as called:
        found = outward(called)
    assert (found.outcome, found.tell) == (FAILED, "")
    assert found.write.startswith("peers:\n  - name: pacs\n    ae_title: PACS  # what the PACS calls itself")


def test_a_peer_that_wants_tls() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")
        silent(connection)

    with listener(talk) as called:
        found = outward(called)
    assert (found.outcome, found.write) == (FAILED, "peers:\n  - name: pacs\n    tls: true")


def test_a_peer_that_answers() -> None:
    with scp([("1.2.840.10008.1.1", ["1.2.840.10008.1.2"])]) as called:
        found = outward(called)
    assert (found.outcome, found.tell, found.write) == (OK, "", "")


@needs_openssl
@needs_dcmtk
@pytest.mark.peers
@pytest.mark.parametrize(("days", "outcome"), [(400, OK), (20, WARNING)])
def test_the_certificate_of_a_peer(tmp_path: Path, days: int, outcome: Outcome) -> None:
    authority = Authority(tmp_path)
    with dcmtk_tls(tmp_path / "in", authority, authority.sign("pacs", days=days)) as called:
        address = replace(called, secured=authority.secured(authority.sign("node")))
        answered, certificate = reach.outward(Config(), peer(), address, FAST)
    assert (answered.outcome, certificate.outcome) == (OK, outcome)
    assert certificate.measured in (f"the peer's ends in {days} days", f"the peer's ends in {days - 1} days")


def told(node: Store, *rejections: Event) -> Finding:
    with node.ledger.writing() as connection:
        for each in rejections:
            events.tell(connection, each)
    return reach.inward(Config(), peer(), node.ledger, NOW)


def rejection(detail: str, *, subject: str = "PACS", at: float = NOW - 60) -> Event:
    return Event(at=at, kind="rejected", subject=subject, detail=detail)


def test_a_peer_that_never_called(tmp_path: Path) -> None:
    found = told(Store(tmp_path))
    assert (found.outcome, found.measured) == (
        WARNING,
        "AE title PACS may call from 10.0.0.7; it never has",
    )
    assert found.tell == "Add AE title CTNODE, host this machine's address, port 11112."


REJECTED = [
    (
        rejection("caller AE 'PACS' from 10.0.0.8: AE title known, but peer 'pacs' calls from 10.0.0.7"),
        "peers:\n  - name: pacs\n    hosts: [10.0.0.7, 10.0.0.8]",
    ),
    (
        rejection("caller AE 'PACS2' from 10.0.0.7: no peer has this AE title", subject="PACS2"),
        "peers:\n  - name: pacs\n    ae_title: PACS2",
    ),
    (
        rejection("caller AE 'PACS' from 10.0.0.7 called 'CT'; we are 'CTNODE'"),
        "node:\n  ae_title: CTNODE  # or correct the called AE title at the peer",
    ),
    (
        rejection(
            "caller AE 'PACS' from 10.0.0.7: known as peer 'pacs', which may not send (may_send is false)"
        ),
        "peers:\n  - name: pacs\n    may_send: true",
    ),
]


@pytest.mark.parametrize(("event", "write"), REJECTED)
def test_a_peer_that_was_turned_away(tmp_path: Path, event: Event, write: str) -> None:
    found = told(Store(tmp_path), event)
    assert (found.outcome, found.write) == (FAILED, write)
    assert found.measured == f"turned away 1 min ago: {event.detail}"


def test_an_old_rejection_and_one_of_somebody_else_do_not_count(tmp_path: Path) -> None:
    node = Store(tmp_path)
    with node.ledger.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO association (id, calling_ae, called_ae, address, opened_at, receiver)"
            " VALUES ('a', 'PACS', 'CTNODE', '10.0.0.7', ?, 0)",
            (NOW - 50,),
        )
    stranger = rejection("caller AE 'X' from 10.9.9.9: no peer has this AE title", subject="X", at=NOW)
    found = told(node, rejection("caller AE 'PACS' from 10.0.0.8: why", at=NOW - 60), stranger)
    assert (found.outcome, found.measured) == (OK, "AE title PACS may call from 10.0.0.7; last 50 s ago")


def test_a_peer_that_may_not_call() -> None:
    found = reach.inward(Config(), peer(may_send=False), None, NOW)
    assert found.outcome is NOT_CHECKED


# what a peer accepts

ALL = dict.fromkeys(CLASSES, ("explicit", "implicit"))
WANTS = Destination(name="pacs", way=WAY, kinds=(Kind.SR, Kind.SEG))

JUDGED: list[tuple[Destination, str, dict[str, Any], Outcome, str]] = [
    (WANTS, "SEG", ALL, OK, ""),
    (WANTS, "KO", ALL | {"KO": ()}, OK, ""),
    (WANTS, "SEG", ALL | {"SEG": ()}, FAILED, "peers:\n  - name: pacs\n    instead: {seg: sc}"),
    (WANTS, "SEG", ALL | {"SEG": (), "SC": ()}, FAILED, "peers:\n  - name: pacs\n    instead: {seg: pdf}"),
    (replace(WANTS, instead={Kind.SEG: Kind.SC}), "SEG", ALL | {"SEG": ()}, WARNING, ""),
    (
        replace(WANTS, instead={Kind.SEG: Kind.SC}),
        "SEG",
        ALL | {"SEG": (), "SC": ()},
        FAILED,
        "peers:\n  - name: pacs\n    instead: {seg: pdf}",
    ),
    (WANTS, "commitment", ALL | {"commitment": ()}, OK, ""),
    (
        replace(WANTS, commitment=True),
        "commitment",
        ALL | {"commitment": ()},
        FAILED,
        "peers:\n  - name: pacs\n    commitment: false",
    ),
    (
        replace(WANTS, read_back=ReadBack.FIND),
        "C-FIND",
        ALL | {"C-FIND": ()},
        FAILED,
        "peers:\n  - name: pacs\n    read_back: none",
    ),
]


@pytest.mark.parametrize(("destination", "name", "accepted", "outcome", "write"), JUDGED)
def test_what_a_refused_class_means(
    destination: Destination, name: str, accepted: dict[str, Any], outcome: Outcome, write: str
) -> None:
    found = judge(destination, name, accepted, "abstract syntax not supported")
    assert (found.outcome, found.write) == (outcome, write)
    if found.outcome in (FAILED, WARNING):
        assert found.tell == f"Accept {CLASSES[name].name} ({CLASSES[name]}) of our AE title."


def test_what_could_be_asked_and_is_not() -> None:
    assert judge(WANTS, "commitment", ALL, "").measured == (
        "yes, explicit and implicit VR little endian; not used (commitment: true would)"
    )


def test_one_association_proposes_everything() -> None:
    handler = StoreHandler()
    supported = [(str(CLASSES["SR"]), ["1.2.840.10008.1.2.1"]), (str(CLASSES["SC"]), ["1.2.840.10008.1.2"])]
    with scp(supported, handler.handlers) as called:
        found = services.offered(Config(), WANTS, called, FAST)
    by_name = {each.check.removeprefix("accepts "): each for each in found}
    assert list(by_name) == list(CLASSES)
    assert by_name["SR"].measured == "yes, explicit VR little endian"
    assert by_name["SC"].measured == "yes, implicit VR little endian"
    assert by_name["SEG"].measured == "no: abstract syntax not supported"
    assert (by_name["SEG"].outcome, handler.associations) == (FAILED, 1)


def test_nobody_to_propose_to() -> None:
    found = one(services.offered(Config(), WANTS, here(free_port()), FAST))
    assert (found.outcome, found.measured.startswith("no association: 127.0.0.1 refuses")) == (
        NOT_CHECKED,
        True,
    )


# destinations that are no application entities


def test_a_folder(tmp_path: Path) -> None:
    there = one(elsewhere.folder(WANTS, FolderAddress(folder=tmp_path)))
    assert there.outcome is OK
    absent = one(elsewhere.folder(WANTS, FolderAddress(folder=tmp_path / "mount")))
    assert (absent.outcome, absent.measured) == (FAILED, f"{tmp_path / 'mount'} is not there: is it mounted?")


def test_a_service_that_is_away() -> None:
    found = one(elsewhere.service(WANTS, WebAddress(url=f"http://127.0.0.1:{free_port()}/dicom-web")))
    assert found.outcome is FAILED


# all of it


def test_a_broken_configuration_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("node:\n  prt: 5\npeers: 7\n")
    found = examine(file, Wishes())
    assert failed(found)
    assert [each.check for each in found] == ["configuration"] * 2
    assert "config.yaml:2:3: node.prt: unknown key" in found[0].measured
    assert one(examine(tmp_path / "none.yaml", Wishes())).outcome is FAILED


def test_a_check_that_nobody_foresaw_ends_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_config: Config) -> list[Finding]:
        raise RuntimeError("DOE^JANE")

    monkeypatch.setattr(machine, "disk", breaks)
    monkeypatch.setattr(machine, "_ask_torch", lambda: {"torch": "2", "devices": [], "free_mb": []})
    config = Config(node=Node(host="127.0.0.1", port=free_port()), storage=Storage(root=tmp_path))
    found = {each.check: each for each in Examination(config, Wishes()).findings()}
    assert "an error that nobody foresaw, report it: RuntimeError at" in found["disk"].measured
    assert "DOE" not in found["disk"].measured
    assert found["device"].outcome is OK


def test_it_reads_well_in_80_columns() -> None:
    findings = [
        Finding(check="port", outcome=OK, measured="127.0.0.1 port 11112 takes connections"),
        Finding(about="pacs", check="C-ECHO", outcome=FAILED, measured="word " * 30, tell="Add AE title X."),
        Finding(check="disk", outcome=NOT_CHECKED, measured="/" + "x" * 90, write="storage:\n  root: y"),
    ]
    out = StringIO()
    Console(width=80, file=out, force_terminal=False).print(findings_view(findings))
    lines = out.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    text = out.getvalue()
    assert text.index("this node") < text.index("NOT CHECKED  disk") < text.index("pacs")
    assert "Tell the administrator of pacs (C-ECHO):\n  Add AE title X." in _stripped(text)
    assert "Write into config.yaml (this node, disk):\n  storage:\n    root: y" in _stripped(text)
    assert _stripped(text).endswith("1 OK, 1 FAILED, 1 NOT CHECKED")


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines())


def test_the_test_object_is_a_secondary_capture_of_nobody(tmp_path: Path) -> None:

    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dicom3tools is not installed")
    file = write(trial_object(), tmp_path / "test.dcm")
    checked = subprocess.run([program, str(file)], capture_output=True, text=True, check=False)
    assert [line for line in checked.stderr.splitlines() if line.startswith("Error")] == []
