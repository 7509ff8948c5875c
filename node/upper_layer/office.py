"""What an accepted association needs of those around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pynetdicom import AE

from node.status import Rejection
from node.upper_layer.acceptance import Supported
from node.upper_layer.messages import Limits
from node.upper_layer.storing import StoreScp
from storage.states import Ending

if TYPE_CHECKING:
    from node.upper_layer.accepted import AcceptedAssociation


class Office(Protocol):
    """Who decides on associations and keeps the books."""

    def admit(self, association: AcceptedAssociation) -> StoreScp | Rejection:
        """What serves its C-STOREs, or why it is rejected."""
        ...

    def ended(self, association: AcceptedAssociation, ending: Ending, reason: str) -> None:
        """It is over, before the peer is told so. Once, also for one that was never admitted."""
        ...


class Turn(Protocol):
    """Something that we do on an association of ourselves, between two messages."""

    @property
    def due_at(self) -> float | None:
        """When, in monotonic time; None: never."""
        ...

    def take(self) -> None:
        """Do it. Raises WireLost, Violation, PeerAborted."""
        ...


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is the same for all associations."""

    entity: AE  # our titles and names
    supported: Supported  # what we accept
    handlers: Sequence[tuple[Any, Any]]  # pynetdicom event, function: for all services but C-STORE
    limits: Limits
