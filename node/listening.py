"""The sockets that we listen on: bound by the supervisor, shared by every receiver.

A receiver that dies takes no port and no waiting connection with it: the sockets stay open in the supervisor,
and whoever calls meanwhile waits in their backlog.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from node.config import Config
from storage.errors import ConfigError
from storage.records import Event

INHERITED: Final = "CTNODE_LISTENERS"
"""In the environment of a receiver: `plain=3,tls=4`, the descriptors that it inherits."""

BACKLOG: Final = 1024
"""Connections that wait for a receiver; the kernel cuts it to net.core.somaxconn."""


class Transport(StrEnum):
    """How a listener is called."""

    PLAIN = "plain"
    TLS = "tls"


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A socket that listens."""

    transport: Transport
    socket: socket.socket


def bind(config: Config) -> tuple[Bound, ...]:
    """Listen on the ports of the configuration. Raises ConfigError where one cannot be had."""
    ports = {Transport.PLAIN: config.node.port, Transport.TLS: config.tls.port}
    bound: list[Bound] = []
    try:
        for transport, port in ports.items():
            if port is not None:
                bound.append(Bound(transport=transport, socket=_listen(config.node.host, port)))
    except OSError as error:
        close(tuple(bound))
        reason = f"cannot listen on {config.node.host} port {port}: {error.strerror or error}"
        raise ConfigError(reason) from error
    return tuple(bound)


def event(config: Config, now: float) -> Event:
    """Callers are heard from now on: the silence before it was ours.

    It is told once for all receivers: while one of them starts again, callers wait in the backlog, or others
    take them.
    """
    return Event(at=now, kind="receiver listens", subject=config.node.ae_title, detail="")


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def close(bound: tuple[Bound, ...]) -> None:
    """Listen no more, here: a caller is refused once no receiver listens, and does not wait for nobody."""
    for each in bound:
        each.socket.close()


def told(bound: tuple[Bound, ...]) -> dict[str, str]:
    """What a receiver is told in its environment."""
    return {INHERITED: ",".join(f"{each.transport}={each.socket.fileno()}" for each in bound)}


def inherited(environment: Mapping[str, str] = os.environ) -> tuple[Bound, ...] | None:
    """The sockets that the supervisor bound; None for a receiver that was started by itself."""
    text = environment.get(INHERITED)
    if not text:
        return None
    pairs = (each.split("=") for each in text.split(","))
    return tuple(
        Bound(transport=Transport(transport), socket=socket.socket(fileno=int(number)))
        for transport, number in pairs
    )
