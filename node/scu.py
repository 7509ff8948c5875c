"""The Storage SCU: objects to a peer, and for each of them what became of it (PS3.4 B.2).

The stored bytes are sent as they are. Each SOP class is proposed in the transfer syntax of its objects
alone; Explicit and Implicit VR Little Endian stand in for each other, for a peer that knows only one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from node.addresses import PeerAddress
from node.association_failure import Cause, Failure, explain
from node.outgoing import Outgoing
from node.requestor import NotAssociated, Requested, requested
from node.store_status import Disposition, interpret
from node.transport import Timeouts
from node.upper_layer.negotiation import Syntax
from storage.errors import PeerBusy, PeerRefused, PeerUnavailable, Unreadable

CONTEXTS_MAX: Final = 128
"""Presentation contexts in one association: odd identifiers from 1 to 255 (PS3.8 9.3.2.2)."""

DEFAULT_TIMEOUTS: Final = Timeouts()

CONTEXT_RESULTS: Final[Mapping[int, str]] = {
    1: "user rejection",
    2: "no reason given",
    3: "abstract syntax not supported",
    4: "transfer syntax not supported",
}
"""Result of a presentation context that was not accepted (PS3.8 9.3.3.2)."""

NOT_THERE: Final = "sent once, and no response seen: the peer may have it; then {}"
NO_ANSWER: Final = "sent twice, and no response seen: the peer may have it"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What became of one object."""

    sop_instance_uid: str
    sop_class_uid: str
    disposition: Disposition
    status: int | None = None  # the peer's status; None when it gave none
    reason: str = ""  # what the status means, or why there is none
    comment: str = ""  # the peer's Error Comment (0000,0902)


def store(
    called: PeerAddress,
    objects: Sequence[Path | Dataset | Outgoing],
    *,
    calling_ae: str,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> Iterator[Sent]:
    """Send objects by C-STORE; each is yielded once, as soon as the peer has answered.

    What was not yielded before an exception was not settled and is sent again later. An object without a
    response is sent once more, in a new association, before it is `Disposition.UNKNOWN`; where there is
    none, it is that at once. An object that
    cannot be read is `Disposition.REFUSED`, one whose context is not accepted `Disposition.NOT_TAKEN`; the
    rest goes on.

    Args:
        called: the peer.
        objects: DICOM files, data sets with File Meta Information, or `Outgoing`.
        calling_ae: what we call ourselves.
        timeouts: how long each step may take.

    Raises:
        PeerUnavailable: the peer cannot be reached, or breaks off: try again later.
        PeerBusy: it rejects the association for now.
        PeerRefused: it rejects the association for good: its administrator has to act.
        Unreadable: one of `objects` is no DICOM object.
    """
    outgoing = [_outgoing(each) for each in objects]
    for syntaxes, batch in batches(outgoing):
        try:
            yield from _store_batch(called, batch, syntaxes, calling_ae, timeouts)
        except NotAssociated as error:
            raise _no_association(error.failure) from error


def _no_association(failure: Failure) -> PeerUnavailable | PeerRefused:
    message = f"{failure.called}: {explain(failure)}"
    if failure.permanent:
        return PeerRefused(message)
    return PeerUnavailable(message) if failure.rejection is None else PeerBusy(message)


def batches(objects: Sequence[Outgoing]) -> list[tuple[list[Syntax], list[Outgoing]]]:
    """The objects in groups whose presentation contexts fit into one association each."""
    groups: list[tuple[list[Syntax], list[Outgoing]]] = []
    group_of: dict[Syntax, int] = {}
    for each in objects:
        own = (each.sop_class_uid, each.transfer_syntax_uid)
        if own not in group_of:
            wanted = [(each.sop_class_uid, syntax) for syntax in each.syntaxes]
            if not groups or len(set(groups[-1][0]) | set(wanted)) > CONTEXTS_MAX:
                groups.append(([], []))
            proposed = groups[-1][0]
            proposed.extend(syntax for syntax in wanted if syntax not in proposed)
            group_of[own] = len(groups) - 1
        groups[group_of[own]][1].append(each)
    return groups


def _outgoing(each: Path | Dataset | Outgoing) -> Outgoing:
    if isinstance(each, Outgoing):
        return each
    return Outgoing.of_file(each) if isinstance(each, Path) else Outgoing.of_dataset(each)


def _store_batch(
    called: PeerAddress,
    batch: Sequence[Outgoing],
    syntaxes: Sequence[Syntax],
    calling_ae: str,
    timeouts: Timeouts,
) -> Iterator[Sent]:
    waiting = deque(batch)
    again: Outgoing | None = None  # sent, not answered, to be sent once more
    while waiting:
        try:
            with requested(called, calling_ae=calling_ae, syntaxes=syntaxes, timeouts=timeouts) as peer:
                while waiting and not peer.broken:
                    sent = _store_one(peer, waiting[0])
                    if sent.disposition is Disposition.UNKNOWN and again is not waiting[0]:
                        again = waiting[0]
                        continue
                    waiting.popleft()
                    yield sent
        except NotAssociated as error:
            if error.failure.cause is not Cause.NO_CONTEXT:
                if again is not None and again is waiting[0]:  # it went out, and then nobody was there
                    yield _sent(again, Disposition.UNKNOWN, reason=NOT_THERE.format(explain(error.failure)))
                raise
            yield from (_not_accepted(each, error.refused) for each in waiting)
            return


def _store_one(peer: Requested, each: Outgoing) -> Sent:
    syntax = next((s for s in each.syntaxes if (each.sop_class_uid, s) in peer.accepted), None)
    if syntax is None:
        return _not_accepted(each, peer.refused)
    try:
        encoded = each.data_set(syntax)
        response = peer.store((each.sop_class_uid, syntax), each.sop_instance_uid, encoded)
    except Unreadable as error:
        return _sent(each, Disposition.REFUSED, reason=str(error))
    if response is None:
        return _sent(each, Disposition.UNKNOWN, reason=NO_ANSWER)
    disposition, meaning = interpret(response.status)
    return _sent(each, disposition, status=response.status, reason=meaning, comment=response.comment)


def _not_accepted(each: Outgoing, refused: Mapping[Syntax, int]) -> Sent:
    result = refused.get((each.sop_class_uid, each.transfer_syntax_uid), 0)
    why = CONTEXT_RESULTS.get(result, "no answer for this context")
    reason = f"the peer does not accept {each.sop_class_uid.name} in {each.transfer_syntax_uid.name}: {why}"
    return _sent(each, Disposition.NOT_TAKEN, reason=reason)


def _sent(
    each: Outgoing, disposition: Disposition, *, status: int | None = None, reason: str, comment: str = ""
) -> Sent:
    return Sent(
        sop_instance_uid=str(each.sop_instance_uid),
        sop_class_uid=str(each.sop_class_uid),
        disposition=disposition,
        status=status,
        reason=reason,
        comment=comment,
    )
