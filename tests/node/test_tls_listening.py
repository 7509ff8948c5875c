"""Called by TLS and without, side by side: DCMTK and our own sender, and a receiver with both listeners."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from structlog.testing import capture_logs

from node.addresses import PeerAddress
from node.config import Config, Node, Peer, Storage
from node.intake import Intake
from node.outgoing import Outgoing
from node.requestor import requested
from node.scp import StorageScp
from node.scu import store
from node.store_status import Disposition
from node.tls import server_context
from node.upper_layer.lobby import Listener
from tests.node.authority import Authority, Pair, needs_openssl, openssl, replace
from tests.node.holding import Store
from tests.node.receiving import dcmtk_run, free_port
from tests.node.scu_peers import FAST, ct, data_set_part, write

pytestmark = [needs_openssl, pytest.mark.peers]


class Both(Store):
    """A StorageScp with a plain listener and one for TLS."""

    def __init__(self, root: Path, authority: Authority, own: Pair, peers: tuple[Peer, ...]) -> None:
        super().__init__(root, kind="files")
        self.plain, self.secured = free_port(), free_port()
        self.config = Config(
            node=Node(host="127.0.0.1", port=self.plain),
            tls=authority.tls(own, port=self.secured),
            peers=peers,
            storage=Storage(root=root),
        )
        self.intake = Intake(self.instances, self.ledger, reserve_bytes=0)
        self.intake.start()
        contexts = {self.plain: None, self.secured: server_context(self.config.tls)}
        listeners = [
            Listener(socket=socket.create_server(("127.0.0.1", port), backlog=64), tls=tls)
            for port, tls in contexts.items()
        ]
        self.scp = StorageScp(self.config, self.intake, self.ledger, listeners=listeners)
        self.scp.start()

    def close(self) -> None:
        self.scp.drain(0)
        self.intake.flush(20)
        self.intake.stop()
        self.instances.close()

    def has(self, path: Path, *, to_the_byte: bool = False) -> bool:
        """Whether the data set of a file is here; DCMTK encodes it again before it sends it."""
        self.intake.flush(20)
        wanted = dcmread(path)
        with self.instances.open(self.instance(str(wanted.SOPInstanceUID)).path) as file:
            stored = file.read()
        if to_the_byte:
            return stored.endswith(data_set_part(path))
        return bool(dcmread(BytesIO(stored)) == wanted)


def sender(**fields: Any) -> Peer:
    return Peer(
        **({"name": "ct", "ae_title": "STORESCU", "may_send": True, "hosts": ("127.0.0.1",)} | fields)
    )


ANY, SECURED, BOUND = sender(), sender(tls=True), sender(tls=True, certificate_name="CT 1")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    return authority.sign("node")


@pytest.fixture(scope="module")
def scanner(authority: Authority) -> Pair:
    return authority.sign("CT 1")


@contextmanager
def both(root: Path, authority: Authority, own: Pair, *peers: Peer) -> Iterator[Both]:
    each = Both(root / "node", authority, own, peers)
    try:
        yield each
    finally:
        each.close()


def shows(authority: Authority, pair: Pair) -> tuple[str | Path, ...]:
    return ("+tls", pair.key, pair.certificate, "+cf", authority.certificate)


def storescu(port: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return dcmtk_run(
        "storescu", "-v", "-aec", "CTNODE", *arguments[:-1], "127.0.0.1", str(port), arguments[-1]
    )


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_dcmtk_calls_by_tls_and_without(
    tmp_path: Path, authority: Authority, own: Pair, scanner: Pair, profile: str
) -> None:
    paths = [write(ct(i, PixelData=bytes([i]) * 400_000), tmp_path / f"{i}.dcm") for i in (1, 2)]
    with both(tmp_path, authority, own, ANY) as node:
        by_tls = storescu(node.secured, *shows(authority, scanner), profile, paths[0])
        plain = storescu(node.plain, paths[1])
        assert (by_tls.returncode, plain.returncode) == (0, 0), by_tls.stderr + plain.stderr
        assert [node.has(path) for path in paths] == [True, True]


@pytest.mark.parametrize("how", ["in the clear", "another certificate"])
def test_who_must_come_otherwise_is_rejected(
    tmp_path: Path, authority: Authority, own: Pair, how: str
) -> None:
    path = write(ct(1), tmp_path / "1.dcm")
    other = authority.sign("CT 2")
    with both(tmp_path, authority, own, BOUND) as node, capture_logs() as logs:
        if how == "in the clear":
            done = storescu(node.plain, path)
            reason = "peer 'ct' must call by TLS (tls is true), and called without"
        else:
            done = storescu(node.secured, *shows(authority, other), path)
            reason = "peer 'ct' must have the certificate of 'CT 1', and showed the certificate of 'CT 2'"
    assert done.returncode != 0
    assert "Calling AE Title Not Recognized" in done.stdout + done.stderr
    told = [line["reason"] for line in logs if line["event"] == "association rejected"]
    assert told == [f"caller AE 'STORESCU' from 127.0.0.1: {reason}"]


def test_who_has_the_certificate_is_let_in(
    tmp_path: Path, authority: Authority, own: Pair, scanner: Pair
) -> None:
    path = write(ct(1), tmp_path / "1.dcm")
    with both(tmp_path, authority, own, BOUND) as node:
        done = storescu(node.secured, *shows(authority, scanner), path)
        assert done.returncode == 0, done.stderr
        assert node.has(path)


def test_who_shows_no_certificate_does_not_get_so_far(
    tmp_path: Path, authority: Authority, own: Pair
) -> None:
    path = write(ct(1), tmp_path / "1.dcm")
    with both(tmp_path, authority, own, ANY) as node:
        done = storescu(node.secured, "+tla", "-ic", path)
        assert done.returncode != 0
        assert node.kept().instances == ()


def secured_at(node: Both, authority: Authority, scanner: Pair) -> PeerAddress:
    return PeerAddress(
        ae_title="CTNODE", host="127.0.0.1", port=node.secured, secured=authority.secured(scanner)
    )


def test_our_own_sender_calls_our_own_receiver(
    tmp_path: Path, authority: Authority, own: Pair, scanner: Pair
) -> None:
    paths = [write(ct(i, PixelData=bytes([i]) * 700_000), tmp_path / f"{i}.dcm") for i in range(8)]
    with both(tmp_path, authority, own, SECURED) as node:
        called = secured_at(node, authority, scanner)
        sent = list(store(called, paths, calling_ae="STORESCU", timeouts=FAST))
        assert [each.disposition for each in sent] == [Disposition.STORED] * 8
        assert all(node.has(path, to_the_byte=True) for path in paths)


def shown(port: int) -> str:
    """The certificate that the listener shows."""
    return ssl.get_server_certificate(("127.0.0.1", port)).strip()


def test_an_association_outlives_the_certificate_that_it_began_with(
    tmp_path: Path, authority: Authority, scanner: Pair
) -> None:
    own, new = authority.sign("before"), authority.sign("after")
    paths = [write(ct(i), tmp_path / f"{i}.dcm") for i in (1, 2)]
    files = [Outgoing.of_file(path) for path in paths]
    syntax = (files[0].sop_class_uid, files[0].transfer_syntax_uid)
    with both(tmp_path, authority, own, SECURED) as node:
        before = shown(node.secured)
        called = secured_at(node, authority, scanner)
        with requested(called, calling_ae="STORESCU", syntaxes=[syntax], timeouts=FAST) as association:
            statuses = []
            for each in files:
                response = association.store(syntax, each.sop_instance_uid, each.data_set(syntax[1]))
                statuses.append(response and response.status)
                replace(own, new)
                assert shown(node.secured) != before
        assert statuses == [0, 0]
        assert openssl("x509", "-in", new.certificate).strip() == shown(node.secured)
        assert all(node.has(path, to_the_byte=True) for path in paths)
