"""Where connections wait: before their A-ASSOCIATE-RQ has wholly come, and after their association.

One thread for all of them, which never blocks on any; `waiting_room` says who keeps a place. Waiting until a
peer hangs up after an association (Sta13 in PS3.8 9.2) is done here too: it takes no thread.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from node.upper_layer.half_open import Caller, Came, HalfOpen, HandshakeFailed, Phase
from node.upper_layer.pdu import Abort, PduType, a_abort
from node.upper_layer.strangers import Stranger, Strangers
from node.upper_layer.waiting_room import WaitingRoom
from storage.logs import log

ACCEPTED_AT_ONCE: Final = 4
"""Connections taken at one wake-up: other receiving processes have the same sockets."""
PAUSE_S: Final = 0.5
"""How long none is taken when no descriptor is left."""
EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
STOP_S: Final = 1.0
"""How long those that are to hang up may take when the lobby closes."""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A socket on which we are called."""

    socket: socket.socket  # bound, and listening already
    tls: Callable[[], ssl.SSLContext] | None  # gives the context for a connection; None: plain


class Lobby:
    """Takes connections and hands callers on. `see_off` and `stop` are for any thread."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        *,
        artim_s: float,
        max_half_open: int,
        called: Callable[[Caller], None],
    ) -> None:
        """`called` is told of each caller, in the lobby's thread: it must not block."""
        self._listeners = tuple(listeners)
        self._called = called
        self._selector = selectors.DefaultSelector()
        self._strangers = Strangers()
        self._room = WaitingRoom(self._selector, self._strangers, artim_s=artim_s, places=max_half_open)
        self._leaving: deque[tuple[socket.socket, str]] = deque()  # those that `see_off` brought
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()  # of the bell, which is closed in the end
        self._over = False  # the bell is closed
        self._listens = True  # what is wanted; `_deaf` says when it is so
        self._deaf = threading.Event()
        self._stop_at: float | None = None
        self._resume_at: float | None = None  # when connections are taken again
        self._thread = threading.Thread(target=self._run, name="lobby", daemon=True)

    @property
    def half_open(self) -> int:
        """How many connections are here."""
        return len(self._room.here)

    def start(self) -> None:
        """Take connections from now on."""
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._listen()
        self._thread.start()

    def see_off(self, connection: socket.socket, address: str) -> None:
        """Wait until this peer has hung up, for ARTIM at most, then close (PS3.8 9.1.5)."""
        self._leaving.append((connection, address))
        if not self._ring():
            connection.close()

    def stop_listening(self) -> None:
        """Close the listeners, and return when that is done. Who is here already may still ask.

        Also where it was never started: a listener that is left open is a port that nobody else gets.
        """
        self._listens = False
        if self._thread.ident is None:
            self._close_listeners()
        elif self._ring():
            self._deaf.wait()

    def stop(self) -> None:
        """Close everything, and return when that is done."""
        self._stop_at = time.monotonic() + STOP_S
        self._ring()
        if self._thread.is_alive():
            self._thread.join()

    def _ring(self) -> bool:
        with self._lock:
            if not self._over:
                os.eventfd_write(self._bell, 1)
            return not self._over

    def _run(self) -> None:
        try:
            while not self._is_over():
                self._turn()
        except Exception:  # noqa: BLE001 - the edge of a thread: the process ends, another one is started
            log().exception("lobby failed")
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            self._close()

    def _is_over(self) -> bool:
        if self._stop_at is None:
            return False
        waits = any(each.phase is Phase.LEAVING for each in self._room.here)
        return not waits or time.monotonic() >= self._stop_at

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience_s()):
            if key.data is None:
                os.eventfd_read(self._bell)
            elif isinstance(key.data, Listener):
                self._accept(key.data)
            elif key.data in self._room.here:  # an earlier one of this turn may have pushed it out
                self._hear(key.data, spoke=True)
        self._take_leaving()
        self._room.expire(time.monotonic())
        self._follow(time.monotonic())

    def _patience_s(self) -> float | None:
        """Until something is due; deadlines come in the order of their connections."""
        here = self._room.here
        due = [next(iter(here)).deadline] if here else []
        due += [at for at in (self._resume_at, self._stop_at) if at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _follow(self, now: float) -> None:
        """Do what other threads want, and listen again after a pause."""
        if not self._listens and not self._deaf.is_set():
            self._stop_taking()
            self._close_listeners()
        if self._resume_at is not None and now >= self._resume_at:
            self._resume_at = None
            if self._listens:
                self._listen()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.socket.close()
        self._deaf.set()

    def _listen(self) -> None:
        for listener in self._listeners:
            listener.socket.setblocking(False)
            self._selector.register(listener.socket, selectors.EVENT_READ, listener)

    def _stop_taking(self) -> None:
        if self._resume_at is None:
            for listener in self._listeners:
                self._selector.unregister(listener.socket)

    def _accept(self, listener: Listener) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, name = listener.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._pause()
                return
            self._enter(connection, str(name[0]), listener.tls)

    def _pause(self) -> None:
        """No descriptor is left: those are given back that nobody uses, and the kernel holds who calls."""
        self._strangers.tell("", Stranger.NO_DESCRIPTORS)
        self._room.clear_of_silent()
        if self._resume_at is None:
            self._stop_taking()
            self._resume_at = time.monotonic() + PAUSE_S

    def _enter(
        self, connection: socket.socket, address: str, tls: Callable[[], ssl.SSLContext] | None
    ) -> None:
        if tls is not None:
            try:
                connection.setblocking(False)
                connection = tls().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            except OSError:  # it has hung up already
                connection.close()
                return
        phase = Phase.REQUEST if tls is None else Phase.HANDSHAKE
        self._hear(self._room.put(connection, address, phase, silent=True), spoke=False)

    def _hear(self, each: HalfOpen, *, spoke: bool) -> None:
        try:
            came = each.go_on()
        except HandshakeFailed as error:
            if str(error):
                self._strangers.tell(each.address, str(error))
            self._room.forget(each)
            return
        match came:
            case Came.NOTHING:
                self._room.stay(each, spoke=spoke or each.has_spoken)
            case Came.REQUEST:
                self._room.let_go(each)
                self._called(
                    Caller(connection=each.connection, address=each.address, request=bytes(each.received))
                )
            case Came.STRANGER:
                self._turn_away(each)
            case Came.ENDED:
                if each.stranger is not None:
                    self._strangers.tell(each.address, each.stranger)
                self._room.forget(each)

    def _turn_away(self, each: HalfOpen) -> None:
        """Who speaks DICOM is told so (PS3.8 Table 9-10, Sta2: AA-1; an A-ABORT is answered by nothing)."""
        assert each.stranger is not None
        self._strangers.tell(each.address, each.stranger)
        speaks_dicom = each.stranger in (Stranger.ANOTHER_PDU, Stranger.TOO_LONG)
        if not speaks_dicom or each.received[0] == PduType.A_ABORT:
            self._room.forget(each)
        elif each.say_last(a_abort(Abort.BY_USER)):
            self._room.let_go(each)
            self._room.put(each.connection, each.address, Phase.LEAVING)
        else:
            self._room.forget(each)

    def _take_leaving(self) -> None:
        while self._leaving:
            connection, address = self._leaving.popleft()
            self._hear(self._room.put(connection, address, Phase.LEAVING), spoke=True)

    def _close(self) -> None:
        with self._lock:
            self._over = True
            os.close(self._bell)
        for each in list(self._room.here):
            self._room.forget(each)
        while self._leaving:
            self._leaving.popleft()[0].close()
        self._close_listeners()
        self._selector.close()
