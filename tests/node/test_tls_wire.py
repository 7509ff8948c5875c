"""Bytes over TLS: whole, in time, and with records that are none of them."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.certificates import certificate_names
from node.tls import client_context, server_side
from node.upper_layer.tls_wire import TlsWire
from node.upper_layer.wire import WireEnded, WireTimedOut
from tests.node.authority import Authority, needs_openssl

pytestmark = needs_openssl
LONG_S, SHORT_S = 20.0, 0.05


class Setting:
    """Contexts for both ends."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.own = self.authority.sign("node", dns="node.hospital.example")
        self.scanner = self.authority.sign("CT 1", dns="ct1.hospital.example")
        self.server = server_side(self.authority.tls(self.own))
        self.client = client_context(self.authority.secured(self.scanner))

    def connected(self, *, client: ssl.SSLContext | None = None) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
        """The server's end and the client's."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            dialled = socket.create_connection(listening.getsockname(), timeout=LONG_S)
            accepted, _ = listening.accept()
        accepted.settimeout(LONG_S)
        ends: list[ssl.SSLSocket] = []
        side = threading.Thread(
            target=lambda: ends.append(self.server.wrap_socket(accepted, server_side=True))
        )
        side.start()
        ours = (client or self.client).wrap_socket(dialled, server_hostname="127.0.0.1")
        side.join(LONG_S)
        return ends[0], ours


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return Setting(tmp_path_factory.mktemp("tls"))


@contextmanager
def wires(setting: Setting, timeout_s: float = LONG_S) -> Iterator[tuple[TlsWire, TlsWire]]:
    server, client = setting.connected()
    ends = TlsWire(server, "127.0.0.1", timeout_s), TlsWire(client, "127.0.0.1", timeout_s)
    try:
        yield ends
    finally:
        for each in ends:
            each.close()


def filled(wire: TlsWire, size: int) -> bytes:
    view = memoryview(bytearray(size))
    wire.fill(view)
    return bytes(view)


def test_the_certificate_of_the_peer_is_known(setting: Setting) -> None:
    with wires(setting) as (server, client):
        assert certificate_names(server.certificate) == ("ct1.hospital.example", "CT 1")
        assert certificate_names(client.certificate) == ("node.hospital.example", "node")
        assert server.address == "127.0.0.1"


def test_a_peer_without_a_certificate_has_none(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.server = server_side(setting.authority.tls(setting.own, mutual=False))
    bare = client_context(setting.authority.secured(None))
    server, client = setting.connected(client=bare)
    with client:
        wire = TlsWire(server, "127.0.0.1", LONG_S)
        assert wire.certificate is None
        wire.close()


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 70_000), min_size=1, max_size=6),
    st.lists(st.floats(0, 1), max_size=8),
    st.booleans(),
)
def test_what_is_sent_arrives_however_it_is_cut(
    setting: Setting, sizes: list[int], cuts: list[float], waits: bool
) -> None:
    parts = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    whole = b"".join(parts)
    bounds = [0, *sorted(round(cut * len(whole)) for cut in cuts), len(whole)]
    read = []
    with wires(setting) as (server, client):
        sending = threading.Thread(target=lambda: client.send(*parts))
        sending.start()
        for begin, end in itertools.pairwise(bounds):
            assert not waits or begin == end or server.wait(LONG_S)
            read.append(filled(server, end - begin))
        sending.join(LONG_S)
    assert b"".join(read) == whole


def test_many_megabytes_both_ways(setting: Setting) -> None:
    block = bytes(range(256)) * 4096 * 8
    with wires(setting) as (server, client):
        sending = threading.Thread(target=lambda: client.send(block[:100], memoryview(block)[100:]))
        sending.start()
        assert filled(server, len(block)) == block
        sending.join(LONG_S)
        sending = threading.Thread(target=lambda: server.send(block))
        sending.start()
        assert filled(client, len(block)) == block
        sending.join(LONG_S)


def test_silence_is_no_data(setting: Setting) -> None:
    with wires(setting, SHORT_S) as (server, _client):
        assert server.wait(SHORT_S) is False
        with pytest.raises(WireTimedOut):
            filled(server, 1)


def test_one_deadline_holds_for_all_records(setting: Setting) -> None:
    """A peer that sends a byte every now and then gains no time."""
    over = threading.Event()

    def trickle(client: TlsWire) -> None:
        while not over.wait(0.02):
            client.send(b"x")

    with wires(setting, 0.5) as (server, client):
        trickling = threading.Thread(target=trickle, args=(client,))
        trickling.start()
        with pytest.raises(WireTimedOut):
            filled(server, 100_000)
        over.set()
        trickling.join(LONG_S)


def test_a_peer_that_does_not_read_is_left(setting: Setting) -> None:
    with wires(setting, SHORT_S) as (_server, client), pytest.raises(WireTimedOut):
        client.send(bytes(64_000_000))


def test_tickets_are_nothing_to_read(setting: Setting) -> None:
    """TLS 1.3 sends them after the handshake: bytes on the socket, and no data."""
    context = server_side(setting.authority.tls(setting.own))
    context.num_tickets = 2
    context.options &= ~ssl.OP_NO_TICKET
    other = Setting.__new__(Setting)
    other.server, other.client = context, setting.client
    with wires(other) as (server, client):
        assert client.wait(SHORT_S) is False
        server.send(b"data")
        assert client.wait(LONG_S) is True
        assert filled(client, 4) == b"data"


def test_the_end_is_something_to_read(setting: Setting) -> None:
    with wires(setting) as (server, client):
        client.send(b"last")
        client.close()
        assert filled(server, 4) == b"last"
        assert server.wait(LONG_S) is True
        with pytest.raises(WireEnded):
            filled(server, 1)


def test_a_connection_that_breaks_off_has_ended(setting: Setting) -> None:
    """Without close_notify."""
    with wires(setting) as (server, client):
        client.detach().close()
        with pytest.raises(WireEnded):
            filled(server, 1)


def test_waking_ends_a_wait(setting: Setting) -> None:
    with wires(setting) as (server, _client):
        waking = threading.Timer(SHORT_S, server.wake)
        waking.start()
        assert server.wait(LONG_S) is False
        server.wake()
        assert server.wait(LONG_S) is False
        server.close()
        server.wake()  # nobody is there any more


def test_cutting_ends_a_read_and_sends_nothing_in_the_clear(setting: Setting) -> None:
    server, client = setting.connected()
    wire = TlsWire(client, "127.0.0.1", LONG_S)
    cutting = threading.Timer(SHORT_S, wire.cut)
    cutting.start()
    with pytest.raises(WireEnded):
        filled(wire, 1)
    with pytest.raises(WireEnded):
        wire.send(b"secret")
    assert client.cipher() is not None  # still encrypted: `SSLSocket.shutdown` would have taken it off
    wire.close()
    server.close()


def test_closing_says_so_in_tls(setting: Setting) -> None:
    server, client = setting.connected()
    wire = TlsWire(client, "127.0.0.1", LONG_S)
    wire.close()
    with server:
        server.suppress_ragged_eofs = False  # an end without close_notify would raise
        assert server.recv(1) == b""


def test_closing_does_not_wait_for_a_peer_that_does_not_read(setting: Setting) -> None:
    server, client = setting.connected()
    wire = TlsWire(client, "127.0.0.1", SHORT_S)
    with pytest.raises(WireTimedOut):
        wire.send(bytes(64_000_000))
    closing = threading.Thread(target=wire.close, daemon=True)
    closing.start()
    closing.join(LONG_S)
    assert not closing.is_alive()
    server.close()
