"""The lobby: strangers are named, silence costs little, and a real caller always gets in."""

from __future__ import annotations

import errno
import resource
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import CTImageStorage
from structlog.testing import capture_logs

from node.upper_layer.half_open import Caller, Phase
from node.upper_layer.lobby import ACCEPTED_AT_ONCE, Listener, Lobby
from node.upper_layer.strangers import Stranger, stranger
from tests.node.upper_layer.calling import (
    ABORT,
    LE,
    RELEASE_RP,
    RELEASE_RQ,
    Calling,
    Hearing,
    abort,
    associate_rq,
    hearing,
    p_data,
    threads,
)
from tests.waiting import eventually

REQUEST = associate_rq([(CTImageStorage, LE)])
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


def test_a_lobby_that_was_never_started_gives_its_port_back() -> None:
    """A process that is told to stop while it starts must not hold the port of the next one."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    lobby = Lobby([Listener(socket=listening, tls=None)], artim_s=5, max_half_open=5, called=lambda *_: None)
    stopping = threading.Thread(target=lambda: (lobby.stop_listening(), lobby.stop()), daemon=True)
    stopping.start()
    stopping.join(10)
    assert not stopping.is_alive()
    socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (b"\x01", None),
        (b"\x01\x00\x00\x00\x00\xcd", None),
        (HELLO[:6], Stranger.TLS),
        (b"\x16", Stranger.TLS),
        (b"\x16\x00", Stranger.NO_DICOM),
        (b"GET / ", Stranger.HTTP),
        (b"GE", Stranger.HTTP),
        (b"PRI * ", Stranger.HTTP),
        (b"\x02", Stranger.ANOTHER_PDU),
        (b"\x07\x00\x00\x00\x00\x04", Stranger.ANOTHER_PDU),
        (b"\x08", Stranger.NO_DICOM),
        (b"SSH-2.", Stranger.NO_DICOM),
        (b"\x00", Stranger.NO_DICOM),
    ],
)
def test_strangers_are_known_by_their_first_bytes(first: bytes, expected: Stranger | None) -> None:
    assert stranger(first) is expected


SENT = {
    "TLS": (HELLO, b"", Stranger.TLS),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", b"", Stranger.HTTP),
    "rubbish": (bytes(range(32, 64)), b"", Stranger.NO_DICOM),
    "A-RELEASE-RQ": (RELEASE_RQ, abort(0, 0), Stranger.ANOTHER_PDU),
    "A-RELEASE-RP": (RELEASE_RP, abort(0, 0), Stranger.ANOTHER_PDU),
    "P-DATA-TF": (p_data(b"x" * 8), abort(0, 0), Stranger.ANOTHER_PDU),
    "A-ABORT": (ABORT, b"", Stranger.ANOTHER_PDU),
    "a request of a gigabyte": (struct.pack(">BxL", 1, 1 << 30) + b"x" * 200, abort(0, 0), Stranger.TOO_LONG),
}


@pytest.mark.parametrize("kind", SENT)
def test_a_stranger_is_named_once_a_minute(tmp_path: Path, kind: str) -> None:
    sent, told, reason = SENT[kind]
    with hearing(tmp_path) as node, capture_logs() as lines:
        for _ in range(3):
            assert _answer(node, sent) == told
        assert node.call()
    assert [(line["event"], line["address"], line["reason"]) for line in lines] == [
        ("connection closed", "127.0.0.1", reason)
    ]


def _answer(node: Hearing, sent: bytes) -> bytes:
    """What we say before we hang up, or the peer has to: a PDU at most."""
    connection = node.connect()
    try:
        connection.sendall(sent)
        return Calling(connection).take(10)
    except ConnectionResetError:
        return b""
    finally:
        connection.close()


def test_who_connects_and_hangs_up_leaves_nothing(tmp_path: Path) -> None:
    """A load balancer's health check, a port scan."""
    with hearing(tmp_path) as node, capture_logs() as lines:
        node.call().close()
        node.ended()
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(300):
            node.connect().close()
        node.connections.clear()
        eventually(lambda: node.scp._lobby.half_open == 0)
        eventually(lambda: len(list(Path("/proc/self/fd").iterdir())) <= descriptors)
        assert threads() == 0
    assert [line["event"] for line in lines] == ["association aborted"]  # the first one's


def test_who_hangs_up_within_a_request_is_named(tmp_path: Path) -> None:
    with hearing(tmp_path) as node, capture_logs() as lines:
        connection = node.connect()
        connection.sendall(REQUEST[:-1])
        connection.close()
        eventually(lambda: lines)
        assert threads() == 0
    assert lines[0]["reason"] == Stranger.CUT


def test_a_request_may_come_byte_by_byte(tmp_path: Path) -> None:
    with hearing(tmp_path) as node:
        calling = Calling(node.connect())
        calling.send(*(REQUEST[n : n + 1] for n in range(len(REQUEST))))
        assert calling.pdu()[0] == 2


def test_artim_is_for_the_whole_request(tmp_path: Path) -> None:
    with hearing(tmp_path, artim_s=0.3) as node, capture_logs() as lines:
        silent, talking = node.connect(), node.connect()
        stopping = threading.Event()

        def drip() -> None:
            for byte in REQUEST:
                if stopping.wait(0.02):
                    return
                try:
                    talking.sendall(bytes([byte]))
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert silent.recv(1) == b""
        with pytest.raises(ConnectionResetError):
            if not talking.recv(1):
                raise ConnectionResetError
        stopping.set()
        dripping.join()
    assert [line["reason"] for line in lines] == [Stranger.TOO_SLOW]


def test_a_caller_gets_in_while_thousands_are_half_open(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    try:
        with hearing(tmp_path, max_half_open=8, artim_s=600) as node, capture_logs() as lines:
            half = [node.connect() for _ in range(2000)]
            calling = node.call()
            assert node.scp._lobby.half_open <= 8
            eventually(lambda: half[0].recv(1) == b"")  # the oldest went
            calling.send(RELEASE_RQ)
            assert calling.pdu() == RELEASE_RP
        assert [line["event"] for line in lines] == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_has_said_something_goes_after_those_who_have_not(tmp_path: Path) -> None:
    with hearing(tmp_path, max_half_open=2, artim_s=600) as node, capture_logs() as lines:
        talking = Calling(node.connect())
        talking.send(REQUEST[:50])
        eventually(lambda: node.scp._lobby.half_open and not node.scp._lobby._room.silent)
        silent = [node.connect() for _ in range(3)]
        assert [each.recv(1) for each in silent[:2]] == [b"", b""]
        talking.send(REQUEST[50:])
        assert talking.pdu()[0] == 2
        silent[2].close()
        speakers = []
        for _ in range(3):
            speakers.append(Calling(node.connect()))
            speakers[-1].send(REQUEST[:50])
            eventually(lambda: node.scp._lobby.half_open and not node.scp._lobby._room.silent)
        assert _is_closed(speakers[0].connection)  # the oldest that speaks, when all do
    assert [line["reason"] for line in lines if line["event"] == "connection closed"] == [Stranger.NO_PLACE]


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


class Deaf:
    """A listening socket of which no connection can be taken."""

    def __init__(self, listener: socket.socket, attempts: list[float]) -> None:
        self._listener = listener
        self._attempts = attempts
        self.broken = True

    def accept(self) -> Any:
        self._attempts.append(time.monotonic())
        if self.broken:
            raise OSError(errno.EMFILE, "Too many open files")
        return self._listener.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


def test_without_descriptors_it_pauses_and_gives_those_back_that_nobody_uses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.upper_layer.lobby.PAUSE_S", 0.1)
    attempts: list[float] = []
    callers: list[Caller] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, capture_logs() as lines:
        deaf = Deaf(listener, attempts)
        taking = Listener(socket=deaf, tls=None)  # type: ignore[arg-type]
        lobby = Lobby([taking], artim_s=600, max_half_open=9, called=callers.append)
        deaf.broken = False
        lobby.start()
        silent = socket.create_connection(listener.getsockname(), timeout=20)
        eventually(lambda: lobby.half_open == 1)
        deaf.broken = True
        began = time.monotonic()
        caller = socket.create_connection(listener.getsockname(), timeout=20)
        assert silent.recv(1) == b""
        eventually(lambda: len(attempts) >= 4)
        tries = [each for each in attempts if each > began]
        assert len(tries) <= 1 + (time.monotonic() - began) / 0.1
        deaf.broken = False
        caller.sendall(REQUEST)
        eventually(lambda: callers)
        lobby.stop()
        callers[0].connection.close()
        caller.close()
        silent.close()
    assert [line["reason"] for line in lines] == [Stranger.NO_DESCRIPTORS]
    assert callers[0].request == REQUEST


def test_few_connections_are_taken_at_one_wake_up() -> None:
    """Another receiving process has the same socket, and is to have its share."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        listener.setblocking(False)
        lobby = Lobby([Listener(socket=listener, tls=None)], artim_s=9, max_half_open=99, called=print)
        callers = [socket.create_connection(listener.getsockname()) for _ in range(10)]
        lobby._accept(Listener(socket=listener, tls=None))
        assert lobby.half_open == ACCEPTED_AT_ONCE
        lobby._close()
        for each in callers:
            each.close()


def test_nothing_behind_the_request_is_read() -> None:
    callers: list[Caller] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        lobby = Lobby(
            [Listener(socket=listener, tls=None)], artim_s=9, max_half_open=9, called=callers.append
        )
        lobby.start()
        with socket.create_connection(listener.getsockname()) as connection:
            connection.sendall(REQUEST + b"and more")
            eventually(lambda: callers)
            assert callers[0].request == REQUEST
            assert eventually(lambda: callers[0].connection.recv(100)) == b"and more"
            callers[0].connection.close()
        lobby.stop()


def test_a_peer_is_seen_off_for_artim_at_most() -> None:
    lobby = Lobby([], artim_s=0.1, max_half_open=9, called=print)
    lobby.start()
    ours, peers = socket.socketpair()
    lobby.see_off(ours, "127.0.0.1")
    peers.sendall(b"x" * 1000)  # thrown away
    assert peers.recv(1) == b""
    lobby.stop()
    ours, peers = socket.socketpair()
    lobby.see_off(ours, "127.0.0.1")  # it is closed at once: nobody is there any more
    assert peers.recv(1) == b""


def test_stopping_waits_a_moment_for_those_that_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.upper_layer.lobby.STOP_S", 30.0)
    lobby = Lobby([], artim_s=600, max_half_open=9, called=print)
    lobby.start()
    ours, peers = socket.socketpair()
    lobby.see_off(ours, "127.0.0.1")
    eventually(lambda: [each.phase for each in lobby._room.here] == [Phase.LEAVING])
    stopping = threading.Thread(target=lobby.stop)
    stopping.start()
    stopping.join(0.1)
    assert stopping.is_alive()
    peers.close()
    stopping.join(20)
    assert not stopping.is_alive()
