"""May this caller in? Whoever is not in the configuration is not (deny by default).

Pure: the DNS names among the hosts are resolved by the caller (`node.names`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from node.addresses import IPAddress, ip_address, network
from node.certificates import is_named
from node.config import Config, Peer

NameTable = Mapping[str, Collection[str]]
"""DNS name -> the addresses it stands for now."""

NO_NAMES: Final[NameTable] = {}


class Admission(StrEnum):
    """What becomes of a request for an association; `node.status` knows the numbers."""

    ADMITTED = "admitted"
    APPLICATION_CONTEXT_UNKNOWN = "application context unknown"
    CALLED_AE_UNKNOWN = "called AE unknown"
    CALLING_AE_UNKNOWN = "calling AE unknown"  # the AE title, or its address, or it may not send
    TOO_MANY_ASSOCIATIONS = "too many associations"
    CONGESTED = "congested"


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """A decision and why."""

    admission: Admission
    reason: str  # a sentence for an administrator; '' when admitted
    peer: Peer | None = None  # who was admitted


def admit(
    *,
    calling_ae: str,
    called_ae: str,
    address: str,
    config: Config,
    names: NameTable = NO_NAMES,
    secured: bool = False,
    certificate_names: Sequence[str] = (),
) -> Admitted:
    """Decide on a request for an association (PS3.8 9.3.2, PS3.4 B.4.2.1).

    AE titles are compared without leading and trailing spaces and case-sensitively (PS3.5 6.2). A wrong
    called AE title counts before anything else.

    Args:
        calling_ae: the calling AE title of the A-ASSOCIATE-RQ.
        called_ae: its called AE title.
        address: the IPv4 or IPv6 address that the connection comes from; IPv4-mapped ones are IPv4.
        config: the peers, and our own AE title.
        names: what the DNS names among the peers' hosts stand for; a name that is missing matches nothing.
        secured: whether the connection is TLS.
        certificate_names: the names of the certificate that the caller showed
            (`node.certificates.certificate_names`); none without a certificate.
    """
    caller, called = calling_ae.strip(" "), called_ae.strip(" ")
    if called != config.node.ae_title:
        reason = f"caller AE {caller!r} from {address} called {called!r}; we are {config.node.ae_title!r}"
        return Admitted(admission=Admission.CALLED_AE_UNKNOWN, reason=reason)
    namesakes = [peer for peer in config.peers if peer.ae_title == caller]
    from_there = [peer for peer in namesakes if matches(peer, address, names)]
    senders = [peer for peer in from_there if peer.may_send or reports(peer)]
    senders.sort(key=lambda peer: not peer.may_send)
    faults = [_transport_fault(peer, secured, certificate_names) for peer in senders]
    for peer, fault in zip(senders, faults, strict=True):
        if not fault:
            return Admitted(admission=Admission.ADMITTED, reason="", peer=peer)
    why = "; ".join(faults) or _why(caller, namesakes, from_there, config)
    reason = f"caller AE {caller!r} from {address}: {why}"
    return Admitted(admission=Admission.CALLING_AE_UNKNOWN, reason=reason)


def reports(peer: Peer) -> bool:
    """Whether a peer may open associations to report what it commits to (PS3.4 J.3.3), sender or not."""
    return bool(peer.gets_results) and peer.commitment


def matches(peer: Peer, address: str, names: NameTable = NO_NAMES) -> bool:
    """Whether an address is among a peer's hosts."""
    ip = ip_address(address)
    return ip is not None and any(_is_in(ip, host, names) for host in peer.hosts)


def _transport_fault(peer: Peer, secured: bool, names: Sequence[str]) -> str:
    """What is wrong with the connection that a peer comes by; '' when nothing is."""
    if peer.tls and not secured:
        return f"peer {peer.name!r} must call by TLS (tls is true), and called without"
    wanted = peer.certificate_name
    if wanted is None or is_named(names, wanted):
        return ""
    shown = f"showed the certificate of {', '.join(map(repr, names))}" if names else "showed no certificate"
    return f"peer {peer.name!r} must have the certificate of {wanted!r}, and {shown}"


def _is_in(ip: IPAddress, host: str, names: NameTable) -> bool:
    if "/" in host:
        return ip in network(host)
    fixed = ip_address(host)
    known = [fixed] if fixed is not None else [ip_address(address) for address in names.get(host, ())]
    return ip in known


def _why(caller: str, namesakes: list[Peer], from_there: list[Peer], config: Config) -> str:
    if from_there:
        return f"known as peer {from_there[0].name!r}, which may not send (may_send is false)"
    if namesakes:
        hosts = "; ".join(f"peer {peer.name!r} calls from {_hosts(peer)}" for peer in namesakes)
        return f"AE title known, but {hosts}"
    near = [peer for peer in config.peers if peer.ae_title.casefold() == caller.casefold()]
    if near:
        return f"no such AE title; peer {near[0].name!r} is {near[0].ae_title!r}: case counts"
    return "no peer has this AE title"


def _hosts(peer: Peer) -> str:
    return ", ".join(peer.hosts) or "nowhere (it has no hosts)"
