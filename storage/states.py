"""Every state a thing of ours can be in, and which may follow which.

Series, per revision::

    RECEIVING -> QUEUED -> ANALYSED        results are on their way, or a reason is stated
        |           |
        |           +----> FAILED          the analysis could not be done; the reason is stated
        +-> NOT_ELIGIBLE                   nothing for the models in it; the reason is stated
        +-> HELD -> QUEUED                 its study contradicts itself: a person looks, and releases it

A late instance takes a series of any state back to RECEIVING; its next completion is a new revision.

Delivery::

    WAITING -> STORED                      the destination says that it has it
      |  |
      |  +---> SENT -> STORED              it went out, and no answer was seen: sent again under its UID
      |          |
      +----------+---> DEAD                refused for good, or too old: `ctnode queue retry`
      |          |      |
      +----------+------+-> WITHDRAWN      a later revision replaces it, or another kind goes in its place

    STORED -> COMMITTED -> VERIFIED        the destination commits to it; it was found in its study
    STORED, COMMITTED -> WAITING           the destination does not have it after all: sent again
                      -> DEAD              the destination will not prove it: a person looks
    WITHDRAWN -> WAITING                   a later revision carries it over after all
              -> STORED                    it was on its way
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class SeriesState(StrEnum):
    """Where a series stands."""

    RECEIVING = "receiving"
    QUEUED = "queued"
    ANALYSED = "analysed"
    NOT_ELIGIBLE = "not eligible"
    FAILED = "failed"
    HELD = "held"


class StepState(StrEnum):
    """Where a modality performed procedure step stands (PS3.4 F.7): (0040,0252) in lower case."""

    IN_PROGRESS = "in progress"
    COMPLETED = "completed"
    DISCONTINUED = "discontinued"


class CommitmentState(StrEnum):
    """Where a storage commitment stands that a peer asked us for (PS3.4 J.3)."""

    WAITING = "waiting"  # not told yet
    REPORTED = "reported"  # the peer took the N-EVENT-REPORT
    DEAD = "dead"  # it could not be told; the reason is stated


class PromiseState(StrEnum):
    """Where a storage commitment stands that we asked a destination for (PS3.4 J.3)."""

    ASKED = "asked"  # no report yet
    OVERDUE = "overdue"  # none in time: asked anew, under another Transaction UID; a late one still counts
    REPORTED = "reported"  # the report is here, and not acted upon yet
    SETTLED = "settled"  # acted upon
    DECLINED = "declined"  # the N-ACTION was answered with a failure


class Source(StrEnum):
    """Who says how many instances a series has."""

    MPPS = "mpps"  # the modality: Performed Series Sequence of a COMPLETED step
    QUERY = "query"  # the source PACS: Number of Series Related Instances (0020,1209)
    COMMITMENT = "commitment"  # a sender that asks us to commit to them: at least these


class DeliveryState(StrEnum):
    """Where a result stands with one destination."""

    WAITING = "waiting"
    SENT = "sent"  # the data set is out, and no answer was seen
    STORED = "stored"  # the destination says so
    COMMITTED = "committed"  # the destination has taken over responsibility (PS3.4 J)
    VERIFIED = "verified"  # it was found under the right study
    DEAD = "dead"
    WITHDRAWN = "withdrawn"


OWED: Final = frozenset({DeliveryState.WAITING, DeliveryState.SENT})
"""The destination is tried until it has the result, or will not."""

ARRIVED: Final = frozenset({DeliveryState.STORED, DeliveryState.COMMITTED, DeliveryState.VERIFIED})
"""The destination has the result; how well that is proven differs."""


class Trouble(StrEnum):
    """Why a destination cannot be given anything at the moment."""

    UNREACHABLE = "unreachable"  # no connection, no answer, or it broke off
    BUSY = "busy"  # it asks to be called again (PS3.8 9.3.4, transient)
    BLOCKED = "blocked"  # it does not let us in: its administrator or ours has to act
    SILENT = "silent"  # it takes objects and does not answer


class Role(StrEnum):
    """What an account may do in the console; each may also do what those before it may."""

    VIEWER = "viewer"  # look at everything
    OPERATOR = "operator"  # retry, release, call a peer
    ADMIN = "admin"  # peers and accounts


class Ending(StrEnum):
    """How an association ended."""

    RELEASED = "released"
    ABORTED = "aborted"
    LOST = "lost"  # the receiver stopped while it was open


SERIES_NEXT: Final[dict[SeriesState, frozenset[SeriesState]]] = {
    SeriesState.RECEIVING: frozenset(
        {SeriesState.RECEIVING, SeriesState.QUEUED, SeriesState.NOT_ELIGIBLE, SeriesState.HELD}
    ),
    SeriesState.QUEUED: frozenset({SeriesState.RECEIVING, SeriesState.ANALYSED, SeriesState.FAILED}),
    SeriesState.ANALYSED: frozenset({SeriesState.RECEIVING, SeriesState.QUEUED}),
    SeriesState.NOT_ELIGIBLE: frozenset({SeriesState.RECEIVING}),
    SeriesState.FAILED: frozenset({SeriesState.RECEIVING, SeriesState.QUEUED}),
    SeriesState.HELD: frozenset({SeriesState.RECEIVING, SeriesState.QUEUED}),
}
"""Which states may follow a state; `queue retry` takes ANALYSED and FAILED back to QUEUED."""

DELIVERY_NEXT: Final[dict[DeliveryState, frozenset[DeliveryState]]] = {
    DeliveryState.WAITING: frozenset(
        {
            DeliveryState.WAITING,
            DeliveryState.SENT,
            DeliveryState.STORED,
            DeliveryState.DEAD,
            DeliveryState.WITHDRAWN,
        }
    ),
    DeliveryState.SENT: frozenset(
        {
            DeliveryState.SENT,
            DeliveryState.WAITING,
            DeliveryState.STORED,
            DeliveryState.DEAD,
            DeliveryState.WITHDRAWN,
        }
    ),
    DeliveryState.STORED: frozenset(
        {DeliveryState.COMMITTED, DeliveryState.VERIFIED, DeliveryState.WAITING, DeliveryState.DEAD}
    ),
    DeliveryState.COMMITTED: frozenset({DeliveryState.VERIFIED, DeliveryState.WAITING, DeliveryState.DEAD}),
    DeliveryState.VERIFIED: frozenset(),
    DeliveryState.DEAD: frozenset({DeliveryState.WAITING, DeliveryState.WITHDRAWN}),
    DeliveryState.WITHDRAWN: frozenset({DeliveryState.WAITING, DeliveryState.STORED}),
}
"""Which states may follow a delivery's state; `queue retry` takes DEAD back to WAITING."""

STEP_NEXT: Final[dict[StepState, frozenset[StepState]]] = {
    StepState.IN_PROGRESS: frozenset(StepState),
    StepState.COMPLETED: frozenset(),
    StepState.DISCONTINUED: frozenset(),
}
"""Which states may follow a step's state (PS3.4 F.7.2.2.2)."""
