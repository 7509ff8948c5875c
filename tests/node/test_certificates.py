"""What a certificate says, with OpenSSL as the judge."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import certificates
from node.certificates import certificate_names, is_named, not_after
from node.config import Tls
from node.tls_files import expires_in_s
from storage.errors import ConfigError
from tests.node.authority import Authority, needs_openssl, openssl

DATES = "%b %d %H:%M:%S %Y GMT"


def end_of(path: Path) -> datetime:
    """As OpenSSL prints it."""
    printed = openssl("x509", "-in", path, "-noout", "-enddate").strip().removeprefix("notAfter=")
    return datetime.strptime(printed, DATES).replace(tzinfo=UTC)


@needs_openssl
@pytest.mark.parametrize("days", [-1, 1, 365, 36500, 2_000_000])
def test_the_end_of_a_certificate(tmp_path: Path, days: int) -> None:
    """After 2049 its time has another form (RFC 5280 4.1.2.5)."""
    own = Authority(tmp_path).sign("node", days=days).certificate
    assert not_after(own.read_text()) == [end_of(own)]


@needs_openssl
def test_the_first_of_a_chain_to_end_counts(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    long, short = authority.sign("long", days=900), authority.sign("short", days=100)
    chain = tmp_path / "chain.pem"
    chain.write_text(
        "text before\n" + long.certificate.read_text() + "between\n" + short.certificate.read_text()
    )
    assert not_after(chain.read_text()) == [end_of(long.certificate), end_of(short.certificate)]
    section = Tls(certificate=chain, key=long.key)
    assert expires_in_s(section, now=1e9) == end_of(short.certificate).timestamp() - 1e9


@pytest.mark.parametrize(
    ("tag", "text", "year"),
    [(0x17, b"491231235959Z", 2049), (0x17, b"500101000000Z", 1950), (0x18, b"20500101000000Z", 2050)],
)
def test_the_two_forms_of_a_time(tag: int, text: bytes, year: int) -> None:
    assert certificates._time(tag, text).year == year
    with pytest.raises(ValueError, match="type 0x16"):
        certificates._time(0x16, text)


def test_without_a_certificate_nothing_ends() -> None:
    assert expires_in_s(Tls(), now=0) is None


@needs_openssl
def test_a_certificate_of_version_1(tmp_path: Path) -> None:
    """Without extensions, and so without the field that says which version it is."""
    authority = Authority(tmp_path)
    request, old = tmp_path / "old.csr", tmp_path / "old.pem"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tmp_path / "old.key")
    openssl("req", "-new", *key, "-subj", "/CN=old", "-out", request)
    signer = ("-CA", authority.certificate, "-CAkey", authority.pair.key, "-CAcreateserial")
    openssl("x509", "-req", "-in", request, *signer, "-out", old)
    assert "Version: 1 " in openssl("x509", "-in", old, "-noout", "-text")
    assert not_after(old.read_text()) == [end_of(old)]


@needs_openssl
def test_a_certificate_that_is_cut_off_anywhere(tmp_path: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert(Authority(tmp_path).certificate.read_text())
    for length in range(len(der)):
        with pytest.raises(ValueError):
            not_after(ssl.DER_cert_to_PEM_cert(der[:length]))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_certificate(der: bytes) -> None:
    with pytest.raises(ValueError):
        not_after(ssl.DER_cert_to_PEM_cert(der))


def test_a_certificate_that_cannot_be_read_is_told_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "node.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n")
    with pytest.raises(ConfigError, match=f"tls.certificate: {path}: "):
        expires_in_s(Tls(certificate=path, key=path), now=0)


SHOWN = {
    "subject": ((("countryName", "DE"),), (("commonName", "CT 1"),), (("commonName", "ct1.example"),)),
    "subjectAltName": (("DNS", "ct1.example"), ("IP Address", "10.0.0.9"), ("DNS", "CT1.other.example")),
}


def test_the_names_of_a_certificate() -> None:
    assert certificate_names(SHOWN) == ("ct1.example", "CT1.other.example", "CT 1")
    assert certificate_names(None) == certificate_names({}) == ()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("CT1.EXAMPLE", True),
        ("ct1.other.example", True),
        ("ct 1", True),
        ("10.0.0.9", False),
        ("example", False),
        ("ct1", False),
        ("*.example", False),
        ("", False),
    ],
)
def test_a_name_counts_letter_by_letter(wanted: str, expected: bool) -> None:
    assert is_named(certificate_names(SHOWN), wanted) is expected
