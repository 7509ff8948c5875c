"""C-ECHO: does a peer answer, and if not, why (PS3.4 A)."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from node.addresses import PeerAddress
from node.association_failure import Cause, Failure, explain
from node.requestor import VERIFICATION, NotAssociated, requested
from node.scu import DEFAULT_TIMEOUTS
from node.status import SUCCESS
from node.transport import Timeouts


@dataclass(frozen=True, kw_only=True)
class Echo:
    """What came of one C-ECHO."""

    answered: bool  # whether the peer answered with Success
    text: str  # a sentence for an administrator
    seconds: float  # from dialling to the response, or to the failure
    failure: Failure | None = None  # what went wrong before there was a response


def echo(
    called: PeerAddress,
    *,
    calling_ae: str,
    own_port: int | None = None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> Echo:
    """Ask a peer whether it is there.

    Args:
        called: the peer.
        calling_ae: what we call ourselves.
        own_port: the port on which we listen, for the line that the peer's administrator may need.
        timeouts: how long each step may take.
    """
    syntaxes = [(VERIFICATION, ImplicitVRLittleEndian), (VERIFICATION, ExplicitVRLittleEndian)]
    begin = time.perf_counter()
    try:
        with requested(called, calling_ae=calling_ae, syntaxes=syntaxes, timeouts=timeouts) as peer:
            response = peer.echo()
            seconds = time.perf_counter() - begin
    except NotAssociated as error:
        return _failed(error.failure, time.perf_counter() - begin, own_port)
    if response is None:
        failure = Failure(cause=Cause.NO_RESPONSE, called=called, calling_ae=calling_ae)
        return _failed(failure, seconds, own_port)
    if response.status != SUCCESS:
        text = f"{called} answers, but with status {response.status:04X} {response.comment}".rstrip()
        return Echo(answered=False, text=text, seconds=seconds)
    return Echo(answered=True, text=f"{called} answers {calling_ae}", seconds=seconds)


def _failed(failure: Failure, seconds: float, own_port: int | None) -> Echo:
    text = f"{failure.called}: {explain(failure, own_port=own_port)}"
    return Echo(answered=False, text=text, seconds=seconds, failure=failure)
