"""Who is let in, who is not, and what the administrator reads about it."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config import Config, Peer, Tls
from node.names import KEPT_S, Names
from node.peers import Admission, admit, matches

CONFIG = Config(
    peers=(
        Peer(name="CT1", ae_title="CT1", may_send=True, hosts=("10.0.0.0/29",)),
        Peer(name="CT2", ae_title="CT2", may_send=True, hosts=("10.0.1.9", "2001:db8::9")),
        Peer(name="mapped", ae_title="MAPPED", may_send=True, hosts=("::ffff:10.0.4.0/120",)),
        Peer(name="twin-a", ae_title="TWIN", may_send=True, hosts=("10.0.2.1",)),
        Peer(name="twin-b", ae_title="TWIN", may_send=True, hosts=("10.0.2.2",)),
        Peer(name="named", ae_title="NAMED", may_send=True, hosts=("ct.example",)),
        Peer(name="PACS", ae_title="PACS", gets_results=True, hosts=("10.0.0.1",), port=104),
    )
)
NAMES = {"ct.example": {"10.0.3.1", "2001:db8:3::1"}}

TABLE = [
    ("CT1", "CTNODE", "10.0.0.7", "CT1"),
    ("CT1", "CTNODE", "::ffff:10.0.0.7", "CT1"),
    ("  CT1  ", " CTNODE ", "10.0.0.0", "CT1"),
    ("CT2", "CTNODE", "10.0.1.9", "CT2"),
    ("CT2", "CTNODE", "2001:0db8:0::0009", "CT2"),
    ("MAPPED", "CTNODE", "10.0.4.255", "mapped"),
    ("TWIN", "CTNODE", "10.0.2.2", "twin-b"),
    ("NAMED", "CTNODE", "2001:db8:3::1", "named"),
    (
        "CT1",
        "ctnode",
        "10.0.0.1",
        "called AE unknown: caller AE 'CT1' from 10.0.0.1 called 'ctnode'; we are 'CTNODE'",
    ),
    (
        "WHO",
        "ANY",
        "10.9.9.9",
        "called AE unknown: caller AE 'WHO' from 10.9.9.9 called 'ANY'; we are 'CTNODE'",
    ),
    (
        "CT1",
        "CTNODE",
        "10.0.0.8",
        "calling AE unknown: caller AE 'CT1' from 10.0.0.8: "
        "AE title known, but peer 'CT1' calls from 10.0.0.0/29",
    ),
    (
        "TWIN",
        "CTNODE",
        "10.0.2.3",
        "calling AE unknown: caller AE 'TWIN' from 10.0.2.3: AE title known, "
        "but peer 'twin-a' calls from 10.0.2.1; peer 'twin-b' calls from 10.0.2.2",
    ),
    (
        "ct1",
        "CTNODE",
        "10.0.0.1",
        "calling AE unknown: caller AE 'ct1' from 10.0.0.1: no such AE title; "
        "peer 'CT1' is 'CT1': case counts",
    ),
    (
        "WHO",
        "CTNODE",
        "10.0.0.1",
        "calling AE unknown: caller AE 'WHO' from 10.0.0.1: no peer has this AE title",
    ),
    (
        "PACS",
        "CTNODE",
        "10.0.0.1",
        "calling AE unknown: caller AE 'PACS' from 10.0.0.1: known as peer 'PACS', "
        "which may not send (may_send is false)",
    ),
    (
        "CT1",
        "CTNODE",
        "",
        "calling AE unknown: caller AE 'CT1' from : AE title known, but peer 'CT1' calls from 10.0.0.0/29",
    ),
    (
        "CT2",
        "CTNODE",
        "::ffff:10.0.1.8",
        "calling AE unknown: caller AE 'CT2' from ::ffff:10.0.1.8: "
        "AE title known, but peer 'CT2' calls from 10.0.1.9, 2001:db8::9",
    ),
]


@pytest.mark.parametrize(("calling", "called", "address", "expected"), TABLE)
def test_admission(calling: str, called: str, address: str, expected: str) -> None:
    admitted = admit(calling_ae=calling, called_ae=called, address=address, config=CONFIG, names=NAMES)
    if admitted.admission is Admission.ADMITTED:
        assert admitted.peer is not None
        assert (admitted.peer.name, admitted.reason) == (expected, "")
    else:
        assert f"{admitted.admission}: {admitted.reason}" == expected
        assert admitted.peer is None


SECURED = Config(
    tls=Tls(port=2762, certificate=Path("c"), key=Path("k"), authorities=Path("a")),
    peers=(
        Peer(name="any", ae_title="ANY", may_send=True, hosts=("10.0.0.1",), tls=True),
        Peer(
            name="bound",
            ae_title="BOUND",
            may_send=True,
            hosts=("10.0.0.1",),
            tls=True,
            certificate_name="CT 1",
        ),
        Peer(name="plain", ae_title="PLAIN", may_send=True, hosts=("10.0.0.1",)),
        Peer(name="a", ae_title="TWIN", may_send=True, hosts=("10.0.0.1",), tls=True, certificate_name="A"),
        Peer(name="b", ae_title="TWIN", may_send=True, hosts=("10.0.0.1",), tls=True, certificate_name="B"),
        Peer(name="sink", ae_title="SINK", gets_results=True, hosts=("10.0.0.1",), port=104, tls=True),
    ),
)
CERTIFICATES = [
    ("ANY", True, (), "any"),
    ("ANY", True, ("whoever",), "any"),
    ("ANY", False, (), "peer 'any' must call by TLS (tls is true), and called without"),
    ("BOUND", True, ("ct1.example", "ct 1"), "bound"),
    (
        "BOUND",
        True,
        ("c2", "CT 2"),
        "peer 'bound' must have the certificate of 'CT 1', and showed the certificate of 'c2', 'CT 2'",
    ),
    ("BOUND", True, (), "peer 'bound' must have the certificate of 'CT 1', and showed no certificate"),
    ("BOUND", False, ("CT 1",), "peer 'bound' must call by TLS (tls is true), and called without"),
    ("PLAIN", False, (), "plain"),
    ("PLAIN", True, ("CT 2",), "plain"),
    ("TWIN", True, ("B",), "b"),
    (
        "TWIN",
        True,
        ("C",),
        "peer 'a' must have the certificate of 'A', and showed the certificate of 'C'; "
        "peer 'b' must have the certificate of 'B', and showed the certificate of 'C'",
    ),
    ("SINK", True, (), "known as peer 'sink', which may not send (may_send is false)"),
]


@pytest.mark.parametrize(("calling", "secured", "names", "expected"), CERTIFICATES)
def test_a_peer_is_bound_to_tls_and_to_its_certificate(
    calling: str, secured: bool, names: tuple[str, ...], expected: str
) -> None:
    admitted = admit(
        calling_ae=calling,
        called_ae="CTNODE",
        address="10.0.0.1",
        config=SECURED,
        secured=secured,
        certificate_names=names,
    )
    if admitted.peer is not None:
        assert (admitted.admission, admitted.peer.name) == (Admission.ADMITTED, expected)
    else:
        assert admitted.admission is Admission.CALLING_AE_UNKNOWN
        assert admitted.reason == f"caller AE {calling!r} from 10.0.0.1: {expected}"


def test_who_says_nothing_of_tls_called_without() -> None:
    admitted = admit(calling_ae="ANY", called_ae="CTNODE", address="10.0.0.1", config=SECURED)
    assert admitted.admission is Admission.CALLING_AE_UNKNOWN


def test_nobody_is_let_in_without_peers() -> None:
    admitted = admit(calling_ae="CT1", called_ae="CTNODE", address="127.0.0.1", config=Config())
    assert admitted.admission is Admission.CALLING_AE_UNKNOWN


def test_a_name_that_is_not_resolved_matches_nothing() -> None:
    admitted = admit(calling_ae="NAMED", called_ae="CTNODE", address="10.0.3.1", config=CONFIG)
    assert admitted.admission is Admission.CALLING_AE_UNKNOWN


def bits_agree(address: ipaddress.IPv4Address, base: int, prefix: int) -> bool:
    """The judge: the first `prefix` bits as text."""
    return f"{int(address):032b}"[:prefix] == f"{base:032b}"[:prefix]


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 31), st.booleans())
def test_a_network_holds_the_addresses_that_share_its_prefix(
    base: int, prefix: int, flipped: int, mapped: bool
) -> None:
    whole = ipaddress.ip_network((base, prefix), strict=False)
    peer = Peer(name="p", ae_title="P", may_send=True, hosts=(str(whole),))
    near = ipaddress.IPv4Address(base ^ 1 << flipped)
    text = f"::ffff:{near}" if mapped else str(near)
    assert matches(peer, text) is bits_agree(near, base, prefix)
    assert matches(peer, str(ipaddress.IPv4Address(base)))


@given(st.ip_addresses(v=6), st.integers(1, 128), st.integers(0, 127))
def test_a_network_of_ipv6(base: ipaddress.IPv6Address, prefix: int, flipped: int) -> None:
    peer = Peer(
        name="p",
        ae_title="P",
        may_send=True,
        hosts=(str(ipaddress.IPv6Network((int(base), prefix), strict=False)),),
    )
    near = ipaddress.IPv6Address(int(base) ^ 1 << flipped)
    same = f"{int(near):0128b}"[:prefix] == f"{int(base):0128b}"[:prefix]
    if near.ipv4_mapped is None:
        assert matches(peer, str(near)) is same


@given(st.ip_addresses(v=4), st.ip_addresses(v=6))
def test_an_address_matches_itself_alone(four: ipaddress.IPv4Address, six: ipaddress.IPv6Address) -> None:
    peer = Peer(name="p", ae_title="P", may_send=True, hosts=(str(four),))
    assert matches(peer, str(four))
    assert matches(peer, str(six)) is (six.ipv4_mapped == four)


class Dns:
    """A resolver that counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = 0.0

    def resolve(self, name: str) -> frozenset[str]:
        self.asked.append(name)
        return frozenset({"10.0.3.1"})


def test_names_are_resolved_once_a_minute() -> None:
    dns = Dns()
    names = Names(CONFIG, resolve=dns.resolve, clock=lambda: dns.now)
    assert names.table() == {"ct.example": {"10.0.3.1"}}
    dns.now = KEPT_S - 0.1
    names.table()
    assert dns.asked == ["ct.example"]
    dns.now = KEPT_S
    names.table()
    assert dns.asked == ["ct.example", "ct.example"]


def test_the_real_resolver_knows_this_machine() -> None:
    config = Config(
        peers=(
            Peer(name="here", ae_title="A", hosts=("localhost",)),
            Peer(name="nowhere", ae_title="B", hosts=("nowhere.invalid",)),
        )
    )
    table = Names(config).table()
    assert "127.0.0.1" in table["localhost"]
    assert table["nowhere.invalid"] == frozenset()


REPORTERS = [
    ({"gets_results": True, "commitment": True}, True),
    ({"gets_results": True}, False),
    ({"may_send": True}, True),
    ({"may_send": True, "gets_results": True, "commitment": True}, True),
]


@pytest.mark.parametrize(("roles", "admitted"), REPORTERS)
def test_who_is_asked_to_commit_is_let_in_to_report(roles: dict[str, bool], admitted: bool) -> None:
    peer = Peer(name="PACS", ae_title="PACS", hosts=("10.0.0.1",), port=104, **roles)
    found = admit(calling_ae="PACS", called_ae="CTNODE", address="10.0.0.1", config=Config(peers=(peer,)))
    assert (found.admission is Admission.ADMITTED) is admitted
    elsewhere = admit(calling_ae="PACS", called_ae="CTNODE", address="10.0.0.2", config=Config(peers=(peer,)))
    assert elsewhere.admission is Admission.CALLING_AE_UNKNOWN


def test_a_namesake_that_may_send_goes_first() -> None:
    only_reports = Peer(
        name="a", ae_title="PACS", hosts=("10.0.0.1",), port=104, gets_results=True, commitment=True
    )
    sends = Peer(name="b", ae_title="PACS", hosts=("10.0.0.1",), may_send=True)
    config = Config(peers=(only_reports, sends))
    found = admit(calling_ae="PACS", called_ae="CTNODE", address="10.0.0.1", config=config)
    assert found.peer == sends
