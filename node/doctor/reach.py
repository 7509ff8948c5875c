"""Both ways to a peer: whether it answers us, and whether it may call us, and does."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Collection
from typing import Final

from sqlalchemy import select

from node.addresses import PeerAddress
from node.association_failure import Cause, Failure
from node.config import Config, Peer
from node.doctor.findings import Finding, Outcome
from node.echo import echo
from node.names import Names
from node.peers import reports
from node.tables import age
from node.tls import EXPIRES_SOON_S
from node.transport import NotConnected, Timeouts, connect
from storage import schema
from storage.ledger import Ledger
from storage.records import Event

DAY_S: Final = 86_400.0
PERMISSION: Final = (1, 1, 3)
"""Result, source and reason of the A-ASSOCIATE-RJ of a peer that does not know us (PS3.8 Table 9-21)."""
FROM: Final = re.compile(r" from ([0-9A-Fa-f.:]+)")
"""Where a caller came from, in the words of `node.peers.admit`."""
REJECTIONS_MAX: Final = 200

_TLS_KEYS: Final = {
    Cause.WANTS_TLS: "tls: true",
    Cause.NO_TLS: "tls: false  # or the port on which it speaks TLS",
    Cause.TLS_SILENT: "tls: false  # or the port on which it speaks TLS",
}
"""What a failure says about the key `tls` of a peer."""


def outward(config: Config, peer: Peer, address: PeerAddress, timeouts: Timeouts) -> list[Finding]:
    """C-ECHO, and the peer's certificate where it has one."""
    own = config.node
    answer = echo(address, calling_ae=own.ae_title, own_port=own.port, timeouts=timeouts)
    text = f"{answer.text} ({answer.seconds * 1000:.0f} ms)"
    outcome = Outcome.OK if answer.answered else Outcome.FAILED
    tell, write = ("", "") if answer.failure is None else _mended(config, peer, answer.failure)
    found = [Finding(about=peer.name, check="C-ECHO", outcome=outcome, measured=text, tell=tell, write=write)]
    if address.secured is not None and answer.answered:
        found.append(_certificate(peer, address, timeouts))
    return found


def _mended(config: Config, peer: Peer, failure: Failure) -> tuple[str, str]:
    """What the peer's administrator is told, and what is written here."""
    if failure.rejection is not None:
        numbers = (failure.rejection.result, failure.rejection.source, failure.rejection.reason)
        if numbers == PERMISSION:
            return registration(config, failure.own_address), ""
        return "", _peer_yaml(peer, f"ae_title: {peer.ae_title}  # what the PACS calls itself; case counts")
    key = _TLS_KEYS.get(failure.cause)
    return "", _peer_yaml(peer, key) if key else ""


def registration(config: Config, own_address: str) -> str:
    """The line for a peer's administrator."""
    host = own_address or "this machine's address"
    return f"Add AE title {config.node.ae_title}, host {host}, port {config.node.port}."


def _peer_yaml(peer: Peer, line: str) -> str:
    return f"peers:\n  - name: {peer.name}\n    {line}"


def _certificate(peer: Peer, address: PeerAddress, timeouts: Timeouts) -> Finding:
    """Until when the certificate that the peer shows holds."""
    try:
        wire, _own = connect(address, timeouts)
    except NotConnected as error:
        return Finding(
            about=peer.name, check="certificate", outcome=Outcome.FAILED, measured=f"{error}: {error.detail}"
        )
    certificate = wire.certificate or {}
    wire.close()
    ends = certificate.get("notAfter")
    if not isinstance(ends, str):
        return Finding(
            about=peer.name, check="certificate", outcome=Outcome.NOT_CHECKED, measured="none shown"
        )
    left_s = ssl.cert_time_to_seconds(ends) - time.time()
    return Finding(
        about=peer.name,
        check="certificate",
        outcome=Outcome.OK if left_s >= EXPIRES_SOON_S else Outcome.WARNING,
        measured=f"the peer's ends in {left_s / DAY_S:.0f} days",
    )


def inward(config: Config, peer: Peer, ledger: Ledger | None, now: float) -> Finding:
    """Whether the peer may call us, when it last did, and whether it was turned away."""
    if not (peer.may_send or reports(peer)):
        why = "it does not call us: may_send is false, and it is not asked to commit"
        return Finding(about=peer.name, check="calls us", outcome=Outcome.NOT_CHECKED, measured=why)
    may = f"AE title {peer.ae_title} may call from {', '.join(peer.hosts)}"
    if ledger is None:
        measured = f"{may}; there is no ledger that says whether it did"
        return Finding(about=peer.name, check="calls us", outcome=Outcome.NOT_CHECKED, measured=measured)
    seen_at, rejected = _history(ledger, peer, _addresses(config, peer))
    if rejected is not None and (seen_at is None or rejected.at > seen_at):
        measured = f"turned away {age(now - rejected.at)} ago: {rejected.detail}"
        return Finding(
            about=peer.name,
            check="calls us",
            outcome=Outcome.FAILED,
            measured=measured,
            write=_let_in(config, peer, rejected),
        )
    if seen_at is None:
        tell = registration(config, "")
        measured = f"{may}; it never has"
        return Finding(
            about=peer.name, check="calls us", outcome=Outcome.WARNING, measured=measured, tell=tell
        )
    measured = f"{may}; last {age(now - seen_at)} ago"
    return Finding(about=peer.name, check="calls us", outcome=Outcome.OK, measured=measured)


def _addresses(config: Config, peer: Peer) -> set[str]:
    """That are this peer's alone: a network may be several peers'."""
    names = Names(config).table()
    return {address for host in peer.hosts for address in names.get(host, {host})}


def _history(ledger: Ledger, peer: Peer, addresses: Collection[str]) -> tuple[float | None, Event | None]:
    """When it last had an association, and its last rejection: under its AE title, or from its addresses."""
    association, event = schema.association, schema.event
    with ledger.reading() as connection:
        seen_at = connection.execute(
            select(association.c.opened_at)
            .where(association.c.calling_ae == peer.ae_title)
            .order_by(association.c.opened_at.desc())
            .limit(1)
        ).scalar()
        rows = connection.execute(
            select(event)
            .where(event.c.kind == "rejected")
            .order_by(event.c.at.desc(), event.c.id.desc())
            .limit(REJECTIONS_MAX)
        )
        told = [Event(at=row.at, kind=row.kind, subject=row.subject, detail=row.detail) for row in rows]
    own = (each for each in told if each.subject == peer.ae_title or _address(each) in addresses)
    return (None if seen_at is None else float(seen_at)), next(own, None)


def _address(event: Event) -> str:
    found = FROM.search(event.detail)
    return found[1].rstrip(":") if found else ""


def _let_in(config: Config, peer: Peer, rejected: Event) -> str:
    """What would let that caller in, as far as the words of the rejection tell."""
    if "we are" in rejected.detail:
        return f"node:\n  ae_title: {config.node.ae_title}  # or correct the called AE title at the peer"
    if rejected.subject != peer.ae_title:
        return _peer_yaml(peer, f"ae_title: {rejected.subject}")
    if "may_send is false" in rejected.detail:
        return _peer_yaml(peer, "may_send: true")
    if "by TLS" in rejected.detail:
        return _peer_yaml(peer, "tls: false  # or let the peer call our TLS port")
    hosts = [each for each in dict.fromkeys([*peer.hosts, _address(rejected)]) if each]
    return _peer_yaml(peer, f"hosts: [{', '.join(hosts)}]")
