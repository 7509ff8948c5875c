"""AE titles, hosts and AE@HOST:PORT, as they are written in the configuration and on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.addresses import PeerAddress, ae_title, host_rule, ip_address, single_host

PRINTABLE = [chr(code) for code in range(0x20, 0x7F) if chr(code) != "\\"]


@pytest.mark.parametrize(
    ("written", "title"),
    [("CTNODE", "CTNODE"), ("  A B ", "A B"), ("1234567890123456", "1234567890123456"), ("a@b", "a@b")],
)
def test_ae_title_is_kept_without_outer_spaces(written: str, title: str) -> None:
    assert ae_title(written) == title


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "at least one character"),
        ("    ", "at least one character"),
        ("12345678901234567", "17 characters"),
        ("A\\B", "holds '\\\\'"),
        ("A\tB", "holds '\\t'"),
        ("A\x7fB", "holds '\\x7f'"),
        ("KÖLN", "holds 'Ö'"),
    ],
)
def test_ae_title_that_ps35_forbids(written: str, why: str) -> None:
    with pytest.raises(ValueError) as refused:
        ae_title(written)
    assert why in str(refused.value)


@given(st.text(st.sampled_from(PRINTABLE), min_size=1, max_size=16))
def test_every_printable_title_of_16_characters_passes(written: str) -> None:
    if written.strip(" "):
        assert ae_title(written) == written.strip(" ")


@pytest.mark.parametrize("host", ["10.0.0.9", "2001:db8::9", "pacs", "pacs-1.hospital.example", "PACS_1"])
def test_one_machine(host: str) -> None:
    assert single_host(host) == host


@pytest.mark.parametrize("host", ["", "10.0.0", "10.0.0.256", "-a.b", "a..b", "a b", "x:y", "http://a", "é"])
def test_not_a_machine(host: str) -> None:
    with pytest.raises(ValueError):
        single_host(host)


@pytest.mark.parametrize("host", ["10.0.0.0/8", "10.0.0.9/32", "2001:db8::/64", "10.0.0.9", "pacs"])
def test_host_rule(host: str) -> None:
    assert host_rule(host) == host


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("10.0.0.9/29", "write '10.0.0.8/29'"),
        ("10.0.0.0/33", "not a network in CIDR form"),
        ("pacs/24", "not a network in CIDR form"),
    ],
)
def test_host_rule_that_is_no_network(host: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"bits|CIDR") as refused:
        host_rule(host)
    assert why in str(refused.value)


def test_mapped_and_zoned_addresses_are_seen_through() -> None:
    assert str(ip_address("::ffff:10.0.0.9")) == "10.0.0.9"
    assert str(ip_address("fe80::1%eth0")) == "fe80::1"
    assert ip_address("pacs") is None


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("PACS@10.0.0.9:104", ("PACS", "10.0.0.9", 104)),
        ("A@B@pacs:11112", ("A@B", "pacs", 11112)),
        ("MY PACS@[2001:db8::5]:104", ("MY PACS", "2001:db8::5", 104)),
    ],
)
def test_peer_address_reads_and_writes(written: str, parts: tuple[str, str, int]) -> None:
    address = PeerAddress.parse(written)
    assert (address.ae_title, address.host, address.port) == parts
    assert str(address) == written


@pytest.mark.parametrize(
    "written", ["PACS", "PACS@host", "@host:104", "PACS@host:0", "PACS@host:70000", "P@h:x", "P@:104"]
)
def test_peer_address_that_is_none(written: str) -> None:
    with pytest.raises(ValueError):
        PeerAddress.parse(written)
