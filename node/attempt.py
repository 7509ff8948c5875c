"""One attempt to bring results to a destination, whatever way leads there."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from node.addresses import PeerAddress
from node.destinations import Destination, WebAddress
from node.folder_delivery import put
from node.outgoing import Outgoing
from node.scu import Sent, store
from node.store_status import Disposition
from node.stow import stow
from storage.errors import PeerBusy, PeerRefused, PeerUnavailable
from storage.records import Delivery
from storage.states import Trouble

Owed = tuple[Delivery, Outgoing]
"""What is owed, and the object to send."""


@dataclass(frozen=True, kw_only=True)
class Why:
    """Why results are not there, for two sorts of readers."""

    words: str  # in the queue, behind a login: with the peer's own comment, which may name a patient
    told: str  # in logs and events: without it

    def within(self, frame: str) -> Why:
        """The same in a longer sentence, in place of its {}."""
        return Why(words=frame.replace("{}", self.words), told=frame.replace("{}", self.told))


def plain(words: str) -> Why:
    """Of what we say ourselves."""
    return Why(words=words, told=words)


@dataclass(kw_only=True)
class Attempt:
    """What one attempt left undone; what was answered for good is settled already."""

    later: list[tuple[Delivery, Why]] = field(default_factory=list)  # refused for now, and the answer
    unanswered: list[tuple[Delivery, Why]] = field(default_factory=list)  # sent, and no answer seen
    untried: list[Delivery] = field(default_factory=list)  # not sent
    trouble: Trouble | None = None  # why it ended early; None where the destination works
    why: str = ""  # the trouble in words


def carry(
    destination: Destination, objects: Sequence[Outgoing], *, calling_ae: str, series_instance_uid: str
) -> Generator[Sent, None, None]:
    """Send objects of one series; each is yielded once, as soon as it is answered.

    Raises:
        PeerUnavailable: the destination cannot be reached.
        PeerBusy: it asks to be called again.
        PeerRefused: it does not let us in.
    """
    way = destination.way
    if isinstance(way, PeerAddress):
        yield from store(way, objects, calling_ae=calling_ae)
    elif isinstance(way, WebAddress):
        yield from stow(way, objects)
    else:
        yield from put(way, objects, subfolder=series_instance_uid)


def attempt(
    destination: Destination,
    owed: Sequence[Owed],
    *,
    calling_ae: str,
    on_answer: Callable[[Delivery, Sent], None],
) -> Attempt:
    """Send what is owed of one series.

    Where the first object is not answered, the rest stays: it would not be answered either, and each wait is
    a long one. What was unanswered before goes last, for it may be what a destination chokes on.

    Args:
        destination: to whom.
        owed: what; not empty.
        calling_ae: what we call ourselves.
        on_answer: told of every object that was taken or refused for good, at once.
    """
    ordered = sorted(owed, key=lambda each: each[0].sent_at is not None)
    rows = {str(each.sop_instance_uid): row for row, each in ordered}
    sending = carry(
        destination,
        [each for _row, each in ordered],
        calling_ae=calling_ae,
        series_instance_uid=ordered[0][0].result.series_instance_uid,
    )
    came = Attempt()
    try:
        with closing(sending):
            _follow(sending, rows, came, on_answer)
    except TROUBLES as error:
        came.trouble, came.why = _trouble(error), str(error)
    came.untried = list(rows.values())
    return came


TROUBLES: Final = (PeerUnavailable, PeerRefused)


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, PeerRefused):
        return Trouble.BLOCKED
    return Trouble.BUSY if isinstance(error, PeerBusy) else Trouble.UNREACHABLE


def _follow(
    sending: Iterable[Sent],
    rows: dict[str, Delivery],
    came: Attempt,
    on_answer: Callable[[Delivery, Sent], None],
) -> None:
    """Sort the answers as they come; each takes its row from `rows`."""
    answered = False
    for sent in sending:
        row = rows.pop(sent.sop_instance_uid)
        if sent.disposition is Disposition.UNKNOWN:
            came.unanswered.append((row, why(sent)))
            if not answered:
                came.trouble, came.why = Trouble.SILENT, why(sent).told
                return
        elif sent.disposition is Disposition.LATER:
            came.later.append((row, why(sent)))
        else:
            on_answer(row, sent)
        answered = answered or sent.disposition is not Disposition.UNKNOWN


def why(sent: Sent) -> Why:
    """A destination's answer in one line: status, its meaning, and the peer's own comment."""
    status = "" if sent.status is None else f"{sent.status:04X} "
    said = f"{status}{sent.reason}"
    return (
        Why(words=f"{said} ({sent.comment})", told=f"{said} (with a comment)")
        if sent.comment
        else plain(said)
    )
