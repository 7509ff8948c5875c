"""SCPs that are not ours: one that believes everything, one that answers nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom import AE, AllStoragePresentationContexts, evt

from node.addresses import PeerAddress
from node.hostile.caller import Target


def aimed(port: int, *, called: str = "CTNODE") -> Target:
    """A target on this machine, with numbers for a test."""
    return Target(
        called=PeerAddress(ae_title=called, host="127.0.0.1", port=port),
        calling_ae="SCU",
        deadline_s=5,
        patience_s=8,
        half_open=300,
        associations=60,
        endless_bytes=20_000_000,
    )


@contextmanager
def believer() -> Iterator[int]:
    """pynetdicom as it comes, whose handler answers Success to everything; yields its port."""
    entity = AE(ae_title="CTNODE")
    entity.supported_contexts = AllStoragePresentationContexts
    entity.add_supported_context("1.2.840.10008.1.1")
    handlers = [(evt.EVT_C_STORE, lambda _event: 0)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@contextmanager
def mute() -> Iterator[int]:
    """Takes one connection after another and closes it; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close_all() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=close_all, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
