"""Who gets the results of a series. No I/O."""

from __future__ import annotations

from node.config import Config, Peer


def destinations(config: Config) -> tuple[Peer, ...]:
    """The peers to which every result is owed, in the order of the configuration."""
    return tuple(peer for peer in config.peers if peer.gets_results)


def destination(config: Config, name: str) -> Peer | None:
    """The destination of a name; None when it is no longer configured."""
    return next((peer for peer in destinations(config) if peer.name == name), None)
