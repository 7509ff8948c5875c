"""TLS contexts, with OpenSSL's own client as the judge."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from node import tls
from node.commands_scu import app
from node.config import Tls
from node.tls import client_context, server_context
from node.tls_files import expires_in_s
from storage.errors import ConfigError
from tests.node.authority import OPENSSL, Authority, Pair, needs_openssl, openssl, replace

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    return authority.sign("node", dns="localhost")


@pytest.fixture(scope="module")
def scanner(authority: Authority) -> Pair:
    return authority.sign("CT 1", dns="ct1.hospital.example")


@contextmanager
def listening(context: Callable[[], ssl.SSLContext]) -> Iterator[int]:
    """A server that says hello to whoever completes the handshake; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connection.settimeout(10)
            try:
                with context().wrap_socket(connection, server_side=True) as secured:
                    secured.sendall(b"hello")
                    secured.unwrap()
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


def s_client(port: int, *options: str | Path) -> tuple[bool, str]:
    """Whether OpenSSL's client was said hello to, and what it printed."""
    command = [str(OPENSSL), "s_client", "-ign_eof", "-connect", f"127.0.0.1:{port}", *map(str, options)]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)
    return "hello" in done.stdout, done.stdout + done.stderr


def shows(pair: Pair) -> tuple[str | Path, ...]:
    return ("-cert", pair.certificate, "-key", pair.key)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_the_versions_of_bcp_195(authority: Authority, own: Pair, scanner: Pair, version: str) -> None:
    with listening(server_context(authority.tls(own))) as port:
        let_in, said = s_client(port, version, "-CAfile", authority.certificate, *shows(scanner))
    assert let_in, said
    assert "Verify return code: 0 (ok)" in said


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_older_versions_are_refused(authority: Authority, own: Pair, scanner: Pair, version: str) -> None:
    with listening(server_context(authority.tls(own))) as port:
        let_in, said = s_client(port, version, "-cipher", "ALL:@SECLEVEL=0", *shows(scanner))
    assert not let_in
    assert "protocol version" in said


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_cipher_suites_with_forward_secrecy(
    authority: Authority, own: Pair, scanner: Pair, suite: str
) -> None:
    with listening(server_context(authority.tls(own))) as port:
        let_in, said = s_client(port, "-tls1_2", "-cipher", suite, *shows(scanner))
    assert let_in, said
    assert f"Cipher is {suite}" in said
    assert "Secure Renegotiation IS supported" in said
    assert "Compression: NONE" in said


@pytest.mark.parametrize(
    "suite", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "AES128-GCM-SHA256"]
)
def test_other_cipher_suites_are_refused(authority: Authority, own: Pair, scanner: Pair, suite: str) -> None:
    with listening(server_context(authority.tls(own))) as port:
        let_in, said = s_client(port, "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0", *shows(scanner))
    assert not let_in
    assert "handshake failure" in said


def test_no_session_is_given_that_could_be_resumed(authority: Authority, own: Pair, scanner: Pair) -> None:
    with listening(server_context(authority.tls(own))) as port:
        for version in ("-tls1_2", "-tls1_3"):
            let_in, said = s_client(port, version, *shows(scanner))
            assert let_in, said
            assert "session ticket:" not in said
            assert "New Session Ticket arrived" not in said


def test_who_shows_no_certificate_is_turned_away(authority: Authority, own: Pair) -> None:
    with listening(server_context(authority.tls(own))) as port:
        assert not s_client(port, "-tls1_2")[0]
        let_in, said = s_client(port, "-tls1_3")
    assert not let_in
    assert "certificate required" in said


def test_a_certificate_of_somebody_else_is_turned_away(
    tmp_path: Path, authority: Authority, own: Pair
) -> None:
    stranger = Authority(tmp_path, "stranger").sign("CT 1")
    for mutual in (True, False):
        with listening(server_context(authority.tls(own, mutual=mutual))) as port:
            let_in, said = s_client(port, "-tls1_2", *shows(stranger))
        assert not let_in
        assert "alert unknown ca" in said


def test_a_certificate_that_has_ended_is_turned_away(authority: Authority, own: Pair) -> None:
    ended = authority.sign("ended", days=-1)
    with listening(server_context(authority.tls(own))) as port:
        let_in, said = s_client(port, "-tls1_2", *shows(ended))
    assert not let_in
    assert "certificate expired" in said


def test_certificates_of_peers_can_be_left_out(authority: Authority, own: Pair) -> None:
    with listening(server_context(authority.tls(own, mutual=False))) as port:
        assert s_client(port)[0]


def test_an_intermediate_authority_is_enough(tmp_path: Path, own: Pair) -> None:
    """`authorities` need not go up to the root."""
    root = Authority(tmp_path, "root")
    issuer = Authority(tmp_path, "below", issuer=root)
    with listening(server_context(issuer.tls(own))) as port:
        assert s_client(port, "-tls1_2", *shows(issuer.sign("CT 2")))[0]
        assert not s_client(port, "-tls1_2", *shows(root.sign("CT 3")))[0]


def serial(port: int) -> str:
    """Of the certificate that the server shows."""
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    command = [str(OPENSSL), "x509", "-noout", "-serial"]
    return subprocess.run(command, input=pem, capture_output=True, text=True, check=True).stdout


def test_a_new_certificate_is_shown_without_a_restart_and_what_is_open_stays(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, new = authority.sign("node"), authority.sign("renewed")
    expected = openssl("x509", "-noout", "-serial", "-in", new.certificate)
    scanner = authority.sign("CT 1")
    contexts = server_context(authority.tls(own, mutual=False))
    with socket.create_server(("127.0.0.1", 0)) as server:
        dialled = socket.create_connection(server.getsockname(), timeout=10)
        accepted, _ = server.accept()
        ours = contexts().wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        shaking = threading.Thread(target=ours.do_handshake)
        shaking.start()
        theirs = client_context(authority.secured(scanner)).wrap_socket(dialled, server_hostname="127.0.0.1")
        shaking.join(10)
        with listening(contexts) as port, ours, theirs, capture_logs() as logs:
            before = serial(port)
            replace(own, new)
            assert serial(port) == expected != before
            theirs.sendall(b"still here")
            assert ours.recv(20) == b"still here"
    assert [line["event"] for line in logs] == ["certificates reloaded"]


def test_files_that_cannot_be_used_leave_the_context_as_it_is_and_are_told_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.sign("node")
    other = authority.sign("other")
    contexts = server_context(authority.tls(own))
    context = contexts()
    good = own.key.read_bytes()
    with capture_logs() as logs:
        own.key.write_bytes(other.key.read_bytes())  # half of a renewal: the certificate is still to come
        assert contexts() is contexts() is context
        own.key.unlink()
        assert contexts() is context
        own.key.write_bytes(good)
        assert contexts() is not context
    assert [(line["event"], line.get("reason")) for line in logs] == [
        (
            "certificates not reloaded",
            f"tls.key: {own.key} is not the key of tls.certificate ({own.certificate})",
        ),
        ("certificates not reloaded", f"tls.key: {own.key}: No such file or directory"),
        ("certificates reloaded", None),
    ]


def test_a_file_of_the_same_size_in_the_same_place_is_seen(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.sign("node")
    contexts = server_context(authority.tls(own))
    before = contexts()
    seen = own.certificate.stat()
    os.utime(own.certificate, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    assert contexts() is not before
    assert contexts() is contexts()


def test_a_certificate_that_ends_soon_is_told_once_a_day(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.sign("node", days=31)
    section = authority.tls(own)
    left_s = expires_in_s(section, now=0)
    assert left_s is not None
    clock = [left_s - 30 * 86400 - 1]
    with capture_logs() as logs:
        contexts = tls.ServerContext(section, clock=lambda: clock[0])
        for step_s in (86399, 1, 86399, 1):
            clock[0] += step_s
            contexts()
    told = [(line["event"], line["seconds"], line["path"]) for line in logs]
    left = [29 * 86400 + 1, 28 * 86400 + 1]
    assert told == [("certificate expires soon", seconds, str(own.certificate)) for seconds in left]


WRONG = {
    "no certificate": ("certificate", None, "tls.certificate: {path}: No such file or directory"),
    "no key": ("key", None, "tls.key: {path}: No such file or directory"),
    "no authorities": ("authorities", None, "tls.authorities: {path}: No such file or directory"),
    "a certificate that is none": (
        "certificate",
        "hello",
        "tls.certificate: {path} holds no certificate in PEM form",
    ),
    "a key that is none": ("key", "hello", "tls.key: {path} holds no private key in PEM form"),
    "authorities that are none": (
        "authorities",
        "hello",
        "tls.authorities: {path} holds no certificate in PEM form",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_is_told_with_its_key_and_path(
    tmp_path: Path, authority: Authority, own: Pair, what: str
) -> None:
    key, text, words = WRONG[what]
    path = tmp_path / "file.pem"
    if text is not None:
        path.write_text(text)
    section = authority.tls(own).model_copy(update={key: path})
    with pytest.raises(ConfigError) as wrong:
        server_context(section)
    assert str(wrong.value) == words.format(path=path)
    secured = section.secured(None)
    assert secured is not None
    with pytest.raises(ConfigError, match=f"tls.{key}: "):
        client_context(secured)


def test_a_certificate_that_is_cut_off(tmp_path: Path, authority: Authority, own: Pair) -> None:
    path = tmp_path / "cut.pem"
    path.write_text(own.certificate.read_text()[:200])
    with pytest.raises(ConfigError, match=f"tls.certificate: {path} and tls.key: .* cannot be used"):
        server_context(authority.tls(Pair(path, own.key)))
    with pytest.raises(ConfigError, match=f"tls.authorities: {path} holds no certificate that can be used"):
        server_context(Tls(port=1, certificate=own.certificate, key=own.key, authorities=path))


def test_a_key_with_a_password_is_not_asked_for(tmp_path: Path, authority: Authority, own: Pair) -> None:
    locked = tmp_path / "locked.key"
    openssl("pkey", "-in", own.key, "-aes256", "-passout", "pass:secret", "-out", locked)
    with pytest.raises(ConfigError, match=r"tls\.key: the key has a password"):
        server_context(authority.tls(Pair(own.certificate, locked)))


def test_both_sides_offer_what_bcp_195_recommends(authority: Authority, own: Pair) -> None:
    """RFC 9325 4.2: no other suites; 4.5: no key of RSA below 2048 bits (OpenSSL's security level 2)."""
    for context in (tls.server_side(authority.tls(own)), client_context(authority.secured(own))):
        names = {suite["name"] for suite in context.get_ciphers()}
        assert all(name.startswith(("ECDHE-", "TLS_")) for name in names)
        assert all("GCM" in name or "CHACHA20" in name for name in names)
        assert context.security_level == 2
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_what_check_config_says_of_tls(tmp_path: Path, authority: Authority) -> None:
    own, ended = authority.sign("days", days=12), authority.sign("day ago", days=-1)
    now = time.time()
    assert tls.described(Tls(), now=now) == ""
    assert tls.described(authority.tls(own), now=now) == "TLS on port 2762; our certificate ends in 11 days"
    assert tls.described(authority.tls(own, port=None), now=now) == (
        "TLS when peers are called; our certificate ends in 11 days"
    )
    assert tls.described(authority.tls(ended), now=now) == (
        "TLS on port 2762; our certificate ended 1 days ago"
    )
    assert tls.described(Tls(authorities=authority.certificate), now=now) == (
        "TLS when peers are called, without a certificate of ours"
    )


def test_check_config_names_the_key_and_the_path_of_a_file_that_is_missing(
    tmp_path: Path, own: Pair, authority: Authority
) -> None:
    files = f"certificate: {own.certificate}, key: {own.key}"
    config = tmp_path / "config.yaml"
    config.write_text(f"tls: {{port: 2762, {files}, authorities: gone/ca.pem}}\n")
    said = CliRunner().invoke(app, ["check-config", str(config)])
    path = tmp_path / "gone" / "ca.pem"
    assert said.exit_code == 1
    assert f"tls.authorities: {path}: No such file or directory" in said.output
    config.write_text(f"tls: {{port: 2762, {files}, authorities: {authority.certificate}}}\n")
    said = CliRunner().invoke(app, ["check-config", str(config)])
    assert said.exit_code == 0
    assert "TLS on port 2762; our certificate ends in " in said.output
