"""Every state a thing of ours can be in, and which may follow which.

Series, per revision::

    RECEIVING -> QUEUED -> ANALYSED        results are on their way, or a reason is stated
        |           |
        |           +----> FAILED          the analysis could not be done; the reason is stated
        +-> NOT_ELIGIBLE                   nothing for the models in it; the reason is stated
        +-> HELD -> QUEUED                 its study contradicts itself: a person looks, and releases it

A late instance takes a series of any state back to RECEIVING; its next completion is a new revision.

Delivery::

    WAITING -> DELIVERED                   the destination has it
      | |
      | +----> DEAD                        refused for good, or too old: `ctnode queue retry`
      |          |
      +----------+-> WITHDRAWN             a later revision replaces it

    WITHDRAWN -> WAITING                   a later revision carries it over after all
              -> DELIVERED                 it was on its way
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


class Source(StrEnum):
    """Who says how many instances a series has."""

    MPPS = "mpps"  # the modality: Performed Series Sequence of a COMPLETED step
    QUERY = "query"  # the source PACS: Number of Series Related Instances (0020,1209)
    COMMITMENT = "commitment"  # a sender that asks us to commit to them: at least these


class DeliveryState(StrEnum):
    """Where a result stands with one destination."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    WITHDRAWN = "withdrawn"


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
        {DeliveryState.WAITING, DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.WITHDRAWN}
    ),
    DeliveryState.DELIVERED: frozenset(),
    DeliveryState.DEAD: frozenset({DeliveryState.WAITING, DeliveryState.WITHDRAWN}),
    DeliveryState.WITHDRAWN: frozenset({DeliveryState.WAITING, DeliveryState.DELIVERED}),
}
"""Which states may follow a delivery's state; `queue retry` takes DEAD back to WAITING."""

STEP_NEXT: Final[dict[StepState, frozenset[StepState]]] = {
    StepState.IN_PROGRESS: frozenset(StepState),
    StepState.COMPLETED: frozenset(),
    StepState.DISCONTINUED: frozenset(),
}
"""Which states may follow a step's state (PS3.4 F.7.2.2.2)."""
