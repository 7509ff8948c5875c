"""The connection of an association that we request, where the peer ends it at once."""

from __future__ import annotations

import socket
import struct

import pytest

from node import transport
from node.addresses import PeerAddress
from node.association_failure import Cause
from node.transport import NotConnected, Timeouts, connect

RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def test_a_peer_that_resets_at_once_is_one_that_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy does so whose server is down: nothing is asked of a socket that has no peer any more."""
    made, connected = [], transport._connection
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset(called: PeerAddress, connect_s: float) -> socket.socket:
            connection = connected(called, connect_s)
            taken, _ = listener.accept()
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            taken.close()
            made.append(connection)
            return connection

        monkeypatch.setattr(transport, "_connection", reset)
        called = PeerAddress(ae_title="PACS", host="127.0.0.1", port=listener.getsockname()[1])
        with pytest.raises(NotConnected) as raised:
            connect(called, Timeouts())
    assert (raised.value.cause, raised.value.own_address) == (Cause.CLOSED, "127.0.0.1")
    assert made[0].fileno() == -1
