"""A storage commitment from end to end: asked of a destination, and reported to us."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from pydicom.uid import generate_uid

from node import commitment_answers
from node.addresses import PeerAddress
from node.answers import encoded
from node.association_failure import explain
from node.commitment import PUSH_MODEL_INSTANCE, REQUEST, Reference, request
from node.commitment_asking import SYNTAXES
from node.config import Config
from node.destinations import Destination
from node.doctor.findings import Finding, Outcome
from node.doctor.reach import registration
from node.doctor.trial_object import trial_object
from node.proof import remedy
from node.requestor import NotAssociated, OnReport, Requested, requested
from node.scu import store
from node.status import SUCCESS
from node.transport import Timeouts
from node.upper_layer.negotiation import Syntax
from node.upper_layer.requesting import Report
from storage import promises, proofs
from storage.errors import PeerRefused, PeerUnavailable
from storage.ledger import Ledger
from storage.records import Promise

CHECK: Final = "commitment round trip"
POLL_S: Final = 0.2
SAME_ASSOCIATION_S: Final = 2.0


def round_trip(
    config: Config,
    destination: Destination,
    address: PeerAddress,
    ledger: Ledger | None,
    timeouts: Timeouts,
    *,
    send_test: bool,
    wait_s: float,
) -> Finding:
    """Ask for a commitment to a result that the destination has, or to a test object that is sent for it.

    Args:
        config: the configuration.
        destination: who is asked.
        address: where.
        ledger: where a receiver of ours writes the report down; None where there is none yet.
        timeouts: of each step.
        send_test: whether a test object may be sent; it says in every name that it is one.
        wait_s: how long the report is waited for.
    """
    say = _saying(destination)
    if not destination.commitment and not send_test:
        return say(Outcome.NOT_CHECKED, "commitment is false for this destination")
    if ledger is None:
        return say(Outcome.NOT_CHECKED, "there is no ledger to which a report could come")
    try:
        instance = _sent(config, address, timeouts) if send_test else _stored(ledger, destination.name)
        if instance is None:
            return say(Outcome.NOT_CHECKED, "no result is there yet; --send-test sends a test object")
        return _asked(config, destination, address, ledger, timeouts, instance, wait_s)
    except NotAssociated as error:
        return say(Outcome.FAILED, explain(error.failure, own_port=config.node.port))
    except (PeerUnavailable, PeerRefused) as error:
        return say(Outcome.FAILED, f"the test object was not taken: {error}")


def _saying(destination: Destination) -> Callable[[Outcome, str], Finding]:
    return lambda outcome, measured: Finding(
        about=destination.name, check=CHECK, outcome=outcome, measured=measured
    )


def _stored(ledger: Ledger, name: str) -> Reference | None:
    """The result that came there last."""
    with ledger.reading() as connection:
        found = proofs.newest(connection, name)
    return None if found is None else (found.result.sop_class_uid, found.result.sop_instance_uid)


def _sent(config: Config, address: PeerAddress, timeouts: Timeouts) -> Reference:
    """Raises PeerUnavailable, PeerRefused."""
    ds = trial_object()
    (sent,) = store(address, [ds], calling_ae=config.node.ae_title, timeouts=timeouts)
    if not sent.disposition.settled:
        raise PeerRefused(f"{sent.disposition}: {sent.reason} {sent.comment}".rstrip())
    return sent.sop_class_uid, sent.sop_instance_uid


def _asked(
    config: Config,
    destination: Destination,
    address: PeerAddress,
    ledger: Ledger,
    timeouts: Timeouts,
    instance: Reference,
    wait_s: float,
) -> Finding:
    transaction_uid, begin = str(generate_uid(prefix=None)), time.monotonic()
    with ledger.writing() as connection:
        promises.ask(
            connection,
            transaction_uid=transaction_uid,
            destination=destination.name,
            called_ae=address.ae_title,
            instances=[instance],
            now=time.time(),
        )
    came_here: list[Report] = []  # on the association of the request
    with requested(address, calling_ae=config.node.ae_title, syntaxes=SYNTAXES, timeouts=timeouts) as peer:
        syntax = next(each for each in SYNTAXES if each in peer.accepted)
        take = _noting(commitment_answers.taking(ledger, address.ae_title, syntax[1]), came_here)
        declined = _request(peer, syntax, transaction_uid, instance, take)
        if not declined and not _report(ledger, transaction_uid):
            peer.listen(min(SAME_ASSOCIATION_S, wait_s), take)
    if declined:
        with ledger.writing() as connection:
            promises.decline(connection, transaction_uid, time.time())
        return _saying(destination)(Outcome.FAILED, declined)
    found = _awaited(ledger, transaction_uid, begin + wait_s)
    where = "the same association" if came_here else "an association of its own"
    return _judged(config, destination, ledger, transaction_uid, found, time.monotonic() - begin, where)


def _noting(take: OnReport, came: list[Report]) -> OnReport:
    def noting(report: Report) -> int:
        came.append(report)
        return take(report)

    return noting


def _request(
    peer: Requested, syntax: Syntax, transaction_uid: str, instance: Reference, take: OnReport
) -> str:
    """Ask; what is wrong with the answer, '' where nothing is."""
    information = encoded(request(transaction_uid, [instance]), syntax[1])
    response = peer.act(syntax, PUSH_MODEL_INSTANCE, REQUEST, information, take)
    if response is None:
        return "no response to the request"
    if response.status != SUCCESS:
        return f"the request was answered {response.status:04X} {response.comment}".rstrip()
    return ""


def _report(ledger: Ledger, transaction_uid: str) -> Promise | None:
    with ledger.reading() as connection:
        found = promises.find(connection, transaction_uid)
    return found if found is not None and found.report is not None else None


def _awaited(ledger: Ledger, transaction_uid: str, until: float) -> Promise | None:
    pause = threading.Event()
    while (found := _report(ledger, transaction_uid)) is None and time.monotonic() < until:
        pause.wait(POLL_S)
    return found


def _judged(
    config: Config,
    destination: Destination,
    ledger: Ledger,
    transaction_uid: str,
    found: Promise | None,
    took_s: float,
    where: str,
) -> Finding:
    if found is None or found.report is None:
        with ledger.writing() as connection:
            promises.overdue(connection, transaction_uid)  # a late report counts, and nobody is alarmed
        own = registration(config, "")
        return Finding(
            about=destination.name,
            check=CHECK,
            outcome=Outcome.WARNING,
            measured=f"taken, but no report within {took_s:.0f} s; it may come later",
            tell=f"{own} Storage commitment reports (N-EVENT-REPORT) go there.",
        )
    if found.report.failed:
        words = "; ".join(remedy(reason)[1] for _uid, reason in found.report.failed)
        return _saying(destination)(Outcome.FAILED, f"not committed to: {words}")
    return _saying(destination)(Outcome.OK, f"committed to after {took_s:.1f} s, reported on {where}")
