"""Why a peer did not let us in, in words that help the one who has to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from node.addresses import PeerAddress
from node.status import Rejection


class Cause(StrEnum):
    """How far a request for an association came."""

    NAME_UNKNOWN = "name unknown"  # the host's name has no address
    CONNECTION_REFUSED = "connection refused"  # nothing listens on the port
    UNREACHABLE = "unreachable"  # the network has no way to the host
    NO_CONNECTION = "no connection"  # no answer to the TCP connection
    TLS_FILES = "TLS files"  # ours are missing or of no use
    NO_TLS = "no TLS"  # connected, but the answer to our TLS is none
    TLS_SILENT = "TLS silent"  # connected, but no answer to our TLS
    TLS_CLOSED = "TLS closed"  # connected, and closed in the TLS handshake
    TLS_DIFFERS = "TLS differs"  # no TLS version or cipher suite in common
    CERTIFICATE_EXPIRED = "certificate expired"  # the peer's
    CERTIFICATE_EARLY = "certificate not valid yet"  # the peer's
    CERTIFICATE_UNKNOWN = "certificate of an unknown authority"  # the peer's
    CERTIFICATE_NAME = "certificate of another name"  # the peer's
    CERTIFICATE_BAD = "certificate bad"  # the peer's, for another reason
    OUR_CERTIFICATE = "our certificate"  # the peer does not accept it, or wants one
    WANTS_TLS = "wants TLS"  # called without, and the answer is TLS
    NO_ANSWER = "no answer"  # connected, but no answer to the A-ASSOCIATE-RQ
    CLOSED = "closed"  # connected, and closed without an answer
    NOT_DICOM = "not DICOM"  # the answer is no DICOM PDU
    ABORTED = "aborted"  # A-ABORT
    REJECTED = "rejected"  # A-ASSOCIATE-RJ
    NO_CONTEXT = "no context"  # accepted, but none of the presentation contexts
    NO_RESPONSE = "no response"  # accepted, but no response to the DIMSE request


TRANSIENT: Final = 2
"""The Result of an A-ASSOCIATE-RJ that asks to be called again (PS3.8 Table 9-21)."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One association that did not come about."""

    cause: Cause
    called: PeerAddress  # whom we called
    calling_ae: str  # what we called ourselves
    own_address: str = ""  # the address we called from; '' when there was no connection
    detail: str = ""  # the operating system's words, or OpenSSL's
    rejection: Rejection | None = None  # the numbers of the A-ASSOCIATE-RJ

    @property
    def permanent(self) -> bool:
        """Whether calling again is no use until a person has changed something."""
        if self.rejection is not None:
            return self.rejection.result != TRANSIENT
        return self.cause is Cause.NO_CONTEXT


_SENTENCES: Final[Mapping[Cause, str]] = {
    Cause.NAME_UNKNOWN: "the name {host!r} is not known to the DNS ({detail})",
    Cause.CONNECTION_REFUSED: "{host} refuses connections on port {port}: nothing listens there, "
    "or a firewall refuses",
    Cause.UNREACHABLE: "there is no way to {host} ({detail})",
    Cause.NO_CONNECTION: "{host} does not answer on port {port}: it is off, or a firewall drops the packets",
    Cause.TLS_FILES: "our own files for TLS cannot be used: {detail}",
    Cause.NO_TLS: "what listens on {host} port {port} does not speak TLS ({detail}): is it the port for TLS, "
    "or should tls of this peer be false?",
    Cause.TLS_SILENT: "{host} took the connection on port {port}, but does not answer the TLS handshake: "
    "it may not speak TLS there",
    Cause.TLS_CLOSED: "{host} took the connection on port {port} and closed it in the TLS handshake "
    "({detail}): it may not speak TLS there, or not know our address or certificate",
    Cause.TLS_DIFFERS: "{host} and we have no TLS version or cipher suite in common ({detail}); "
    "we speak TLS 1.2 and 1.3 as BCP 195 says",
    Cause.CERTIFICATE_EXPIRED: "the certificate of {host} has expired: its administrator has to renew it",
    Cause.CERTIFICATE_EARLY: "the certificate of {host} is not valid yet: one of the clocks is wrong",
    Cause.CERTIFICATE_UNKNOWN: "nobody in tls.authorities signed the certificate of {host} ({detail})",
    Cause.CERTIFICATE_NAME: "the certificate of {host} is another one's ({detail}); if it is the right one, "
    "write its name into certificate_name",
    Cause.CERTIFICATE_BAD: "the certificate of {host} is not accepted ({detail})",
    Cause.OUR_CERTIFICATE: "the peer does not accept our certificate, or wants one ({detail}): "
    "its administrator has to trust who signed tls.certificate",
    Cause.WANTS_TLS: "what listens on {host} port {port} speaks TLS: write tls: true for this peer",
    Cause.NO_ANSWER: "{host} took the connection on port {port}, but does not answer the association request",
    Cause.CLOSED: "{host} took the connection on port {port} and closed it without an answer: "
    "it may want TLS, or not know our address",
    Cause.NOT_DICOM: "what listens on {host} port {port} does not speak DICOM (or wants TLS)",
    Cause.ABORTED: "the peer aborted the association",
    Cause.NO_CONTEXT: "the peer accepted the association, but none of the services we asked for",
    Cause.NO_RESPONSE: "the peer accepted the association, but did not answer the request",
}

_REJECTIONS: Final[Mapping[tuple[int, int], str]] = {
    (1, 1): "gives no reason",
    (1, 2): "does not support the application context name",
    (1, 3): "does not accept calling AE {calling!r}; give its administrator this line: {line}",
    (1, 7): "does not know itself as called AE {called!r}; its AE title is another one, case counts",
    (2, 1): "gives no reason (ACSE)",
    (2, 2): "does not support our protocol version",
    (3, 1): "is busy (temporary congestion); it asks to be called again",
    (3, 2): "has as many associations as it takes (local limit exceeded); it asks to be called again",
}
"""(Source, Reason) of an A-ASSOCIATE-RJ (PS3.8 Table 9-21) -> what the peer says."""


def explain(failure: Failure, *, own_port: int | None = None) -> str:
    """The failure as a sentence.

    Args:
        failure: what happened.
        own_port: the port on which we listen, for the line that the peer's administrator needs.
    """
    words = {"host": failure.called.host, "port": failure.called.port, "detail": failure.detail}
    if failure.rejection is None:
        return _SENTENCES[failure.cause].format(**words)
    rejection = failure.rejection
    template = _REJECTIONS.get((rejection.source, rejection.reason), "gives a reason that is not in PS3.8")
    said = template.format(
        calling=failure.calling_ae, called=failure.called.ae_title, line=registration(failure, own_port)
    )
    numbers = f"{rejection.result},{rejection.source},{rejection.reason}"
    return f"the peer rejected the association ({numbers}): it {said}"


def registration(failure: Failure, own_port: int | None) -> str:
    """What a peer's administrator has to enter to let us in."""
    port = f", port {own_port}" if own_port is not None else ""
    return f"AE title {failure.calling_ae}, address {failure.own_address}{port}"
