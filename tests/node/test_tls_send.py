"""Sending by TLS: DCMTK as the peer, and every way in which TLS does not come about."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from node.addresses import PeerAddress
from node.association_failure import Cause
from node.config import Config, Peer
from node.echo import Echo, echo
from node.scu import store
from node.secured import Secured
from node.store_status import Disposition
from node.tls import server_side
from storage.errors import PeerUnavailable
from tests.node.authority import Authority, Pair, needs_openssl
from tests.node.scu_peers import (
    FAST,
    SHORT,
    ct,
    data_set_part,
    listener,
    needs_dcmtk,
    silent,
    storescp,
    write,
)

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    return authority.sign("node")


@pytest.fixture(scope="module")
def pacs(authority: Authority) -> Pair:
    return authority.sign("MAIN PACS", dns="pacs.hospital.example")


def by_tls(called: PeerAddress, secured: Secured) -> PeerAddress:
    return replace(called, secured=secured)


def failure(answer: Echo) -> tuple[Cause, str]:
    assert answer.failure is not None
    assert not answer.failure.permanent, "results wait for who renews a certificate"
    return answer.failure.cause, answer.text.partition(": ")[2]


def ask(called: PeerAddress, timeouts: object = FAST) -> Echo:
    return echo(called, calling_ae="CTNODE", timeouts=timeouts)  # type: ignore[arg-type]


@contextmanager
def dcmtk(folder: Path, authority: Authority, pair: Pair, *options: str) -> Iterator[PeerAddress]:
    """storescp with TLS; it wants a certificate of the authority."""
    folder.mkdir(exist_ok=True)
    trusted = ("+cf", str(authority.certificate))
    with storescp(folder, "+tls", str(pair.key), str(pair.certificate), *trusted, *options) as called:
        yield called


@needs_dcmtk
@pytest.mark.peers
@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_dcmtk_gets_the_very_bytes(
    tmp_path: Path, authority: Authority, own: Pair, pacs: Pair, profile: str
) -> None:
    """In each of its BCP 195 profiles."""
    paths = [write(ct(i, PixelData=bytes([i]) * 300_000), tmp_path / f"{i}.dcm") for i in range(5)]
    with dcmtk(tmp_path / "in", authority, pacs, profile) as called:
        secured = by_tls(called, authority.secured(own))
        assert ask(secured).answered
        sent = list(store(secured, paths, calling_ae="CTNODE", timeouts=FAST))
    assert [each.disposition for each in sent] == [Disposition.STORED] * 5
    arrived = {str(dcmread(p).SOPInstanceUID): data_set_part(p) for p in (tmp_path / "in").iterdir()}
    assert arrived == {f"2.25.8{i}": data_set_part(path) for i, path in enumerate(paths)}


@needs_dcmtk
@pytest.mark.peers
def test_dcmtk_wants_our_certificate(tmp_path: Path, authority: Authority, pacs: Pair) -> None:
    stranger = Authority(tmp_path, "stranger").sign("node")
    with dcmtk(tmp_path / "in", authority, pacs) as called:
        none = ask(by_tls(called, authority.secured(None)))
        other = ask(by_tls(called, authority.secured(stranger)))
    assert [failure(none)[0], failure(other)[0]] == [Cause.OUR_CERTIFICATE] * 2
    assert "does not accept our certificate, or wants one (" in none.text
    assert "alert unknown ca" in other.text


@needs_dcmtk
@pytest.mark.peers
def test_dcmtk_without_tls_is_called_by_tls(tmp_path: Path, authority: Authority, own: Pair) -> None:
    with storescp(tmp_path) as called:
        cause, text = failure(ask(by_tls(called, authority.secured(own))))
        with pytest.raises(PeerUnavailable, match="speak TLS"):
            list(store(by_tls(called, authority.secured(own)), [ct(1)], calling_ae="CTNODE"))
    assert cause in (Cause.NO_TLS, Cause.TLS_CLOSED)  # it aborts, and resets what it has not read
    assert "speak TLS" in text


@needs_dcmtk
@pytest.mark.peers
def test_dcmtk_with_tls_is_called_without(tmp_path: Path, authority: Authority, pacs: Pair) -> None:
    with dcmtk(tmp_path / "in", authority, pacs) as called:
        cause, text = failure(ask(called))
    assert cause in (Cause.WANTS_TLS, Cause.CLOSED)
    assert "TLS" in text


@contextmanager
def server(
    authority: Authority,
    pair: Pair,
    change: Callable[[ssl.SSLContext], None] = lambda _: None,
) -> Iterator[PeerAddress]:
    """A TLS server that takes every connection, and reads until the caller hangs up."""
    context = server_side(authority.tls(pair, mutual=False))
    change(context)

    def talk(connection: socket.socket) -> None:
        connection.settimeout(10)
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                while secured.recv(65536):
                    pass
        except OSError:
            return

    with listener(talk) as called:
        yield called


def test_a_certificate_that_has_ended(authority: Authority, own: Pair) -> None:
    with server(authority, authority.sign("ended", days=-1)) as called:
        assert failure(ask(by_tls(called, authority.secured(own)))) == (
            Cause.CERTIFICATE_EXPIRED,
            "the certificate of 127.0.0.1 has expired: its administrator has to renew it",
        )


def test_a_certificate_of_an_authority_that_is_not_ours(
    tmp_path: Path, authority: Authority, own: Pair
) -> None:
    stranger = Authority(tmp_path, "stranger")
    with server(stranger, stranger.sign("PACS")) as called:
        assert failure(ask(by_tls(called, authority.secured(own)))) == (
            Cause.CERTIFICATE_UNKNOWN,
            "nobody in tls.authorities signed the certificate of 127.0.0.1 "
            "(self-signed certificate in certificate chain)",
        )


def test_a_certificate_of_another_host(authority: Authority, own: Pair) -> None:
    with server(authority, authority.sign("127.0.0.1", ip="127.0.0.2")) as called:
        cause, text = failure(ask(by_tls(called, authority.secured(own))))
    assert cause is Cause.CERTIFICATE_NAME
    assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in text
    assert "write its name into certificate_name" in text


@pytest.mark.parametrize(("dns", "expected"), [("localhost", Cause.NO_ANSWER), ("", Cause.CERTIFICATE_NAME)])
def test_a_common_name_is_none_of_a_host(authority: Authority, own: Pair, dns: str, expected: Cause) -> None:
    """RFC 9525 6.3: the DNS names of a certificate count, where the host's name is checked."""
    with server(authority, authority.sign("localhost", dns=dns, ip="")) as called:
        named = replace(called, host="localhost", secured=authority.secured(own))
        assert failure(ask(named, SHORT))[0] is expected


@pytest.mark.parametrize("name", ["MAIN PACS", "main pacs", "pacs.hospital.example"])
def test_the_name_that_is_asked_for(authority: Authority, own: Pair, pacs: Pair, name: str) -> None:
    with server(authority, pacs) as called:
        cause, _ = failure(ask(by_tls(called, authority.secured(own, name=name)), SHORT))
    assert cause is Cause.NO_ANSWER  # TLS came about: it is the association that is not answered


@pytest.mark.parametrize("name", ["127.0.0.1", "PACS", "*.hospital.example", "hospital.example"])
def test_another_name_than_the_one_asked_for(authority: Authority, own: Pair, pacs: Pair, name: str) -> None:
    with server(authority, pacs) as called:
        cause, text = failure(ask(by_tls(called, authority.secured(own, name=name))))
    assert cause is Cause.CERTIFICATE_NAME
    assert f"(it is for 'pacs.hospital.example', 'MAIN PACS', not for {name!r})" in text


def old(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


def without_forward_secrecy(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA256")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize("change", [old, without_forward_secrecy])
def test_nothing_in_common(
    authority: Authority, own: Pair, pacs: Pair, change: Callable[[ssl.SSLContext], None]
) -> None:
    with server(authority, pacs, change) as called:
        cause, text = failure(ask(by_tls(called, authority.secured(own))))
    assert cause is Cause.TLS_DIFFERS
    assert "we speak TLS 1.2 and 1.3 as BCP 195 says" in text


def http(connection: socket.socket) -> None:
    connection.recv(10)
    connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    silent(connection)


def hangs_up(connection: socket.socket) -> None:
    connection.recv(65536)


def resets(connection: socket.socket) -> None:
    connection.recv(1)


OTHERS = {
    "HTTP": (http, Cause.NO_TLS, "does not speak TLS (wrong version number)"),
    "nothing": (silent, Cause.TLS_SILENT, "does not answer the TLS handshake"),
    "an end": (hangs_up, Cause.TLS_CLOSED, "closed it in the TLS handshake"),
    "a reset": (resets, Cause.TLS_CLOSED, "closed it in the TLS handshake"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_answers_is_no_tls(authority: Authority, own: Pair, what: str) -> None:
    talk, expected, words = OTHERS[what]
    with listener(talk) as called:
        cause, text = failure(ask(by_tls(called, authority.secured(own)), SHORT))
    assert cause is expected
    assert words in text


def test_our_own_files_are_missing(tmp_path: Path, authority: Authority, own: Pair) -> None:
    gone = tmp_path / "gone.pem"
    with listener(silent) as called:
        secured = replace(authority.secured(own), authorities=gone)
        assert failure(ask(by_tls(called, secured))) == (
            Cause.TLS_FILES,
            f"our own files for TLS cannot be used: tls.authorities: {gone}: No such file or directory",
        )


def test_a_peer_of_the_configuration_is_called_by_tls(authority: Authority, own: Pair, pacs: Pair) -> None:
    def peer(called: PeerAddress, **fields: object) -> PeerAddress:
        values = {"name": "PACS", "ae_title": "PEER", "hosts": ("127.0.0.1",), "port": called.port} | fields
        config = Config(tls=authority.tls(own), peers=(Peer(**values),))  # type: ignore[arg-type]
        found = config.peers[0].address
        assert found is not None
        return found

    with server(authority, pacs) as called:
        assert failure(ask(peer(called, tls=True), SHORT))[0] is Cause.NO_ANSWER
        named = peer(called, tls=True, certificate_name="CT 1")
        assert failure(ask(named))[0] is Cause.CERTIFICATE_NAME
        assert failure(ask(peer(called), SHORT))[0] is Cause.CLOSED  # OpenSSL hangs up without a word


def test_an_association_ends_while_it_is_used(authority: Authority, own: Pair, pacs: Pair) -> None:
    """The peer hangs up without close_notify, after the association is accepted."""
    context = server_side(authority.tls(pacs))

    def talk(connection: socket.socket) -> None:
        connection.settimeout(10)
        with context.wrap_socket(connection, server_side=True) as secured:
            assert secured.recv(65536)[0] == 1

    with listener(talk) as called:
        assert failure(ask(by_tls(called, authority.secured(own))))[0] is Cause.CLOSED
