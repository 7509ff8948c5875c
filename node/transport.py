"""The transport connection of an association that we request: it remembers why it failed.

Names that begin with '_' are pynetdicom's own (see `node.requestor`).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.transport import AddressInformation, AssociationSocket

from node.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long each step may take, in seconds."""

    connect_s: float = 10  # the TCP connection
    acse_s: float = 30  # an answer to A-ASSOCIATE-RQ and A-RELEASE-RQ
    dimse_s: float = 60  # a response to C-ECHO and C-STORE
    network_s: float = 60  # one write, or the rest of a PDU that has begun


class RecordedSocket(socket.socket):
    """A socket that remembers why it could not connect."""

    error: OSError | None = None

    def connect(self, address: Any) -> None:
        try:
            super().connect(address)
        except OSError as error:
            self.error = error
            raise


class Connection(AssociationSocket):
    """pynetdicom's connection over a `RecordedSocket` socket."""

    recorded: RecordedSocket

    def _create_socket(self, address: AddressInformation) -> socket.socket:
        plain = super()._create_socket(address)
        self.recorded = RecordedSocket(fileno=plain.detach())
        return self.recorded


class RequestingEntity(AE):
    """pynetdicom's application entity over a `Connection`; for one association."""

    def __init__(self, *, ae_title: str, timeouts: Timeouts) -> None:
        super().__init__(ae_title=ae_title)
        self.connection_timeout = timeouts.connect_s
        self.acse_timeout = timeouts.acse_s
        self.dimse_timeout = timeouts.dimse_s
        self.network_timeout = timeouts.network_s
        self.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        self.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        self._connection: Connection | None = None

    @property
    def connection_error(self) -> OSError | None:
        return self._connection.recorded.error if self._connection is not None else None

    def hang_up(self) -> None:
        """Close the connection: pynetdicom leaves it open when a peer answered with something else."""
        if self._connection is not None:
            self._connection.recorded.close()

    def _create_socket(self, assoc: Association, address: AddressInformation, tls_args: Any) -> Connection:
        self._connection = Connection(assoc, address=address)
        self._connection.tls_args = tls_args
        return self._connection
