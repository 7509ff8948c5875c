"""Who gets the results of a series, where, and which of them. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.addresses import PeerAddress
from node.config import Config, OtherDestination, Peer
from node.config_results import ReadBack, ResultKeys
from node.secured import Secured
from storage.kinds import DEFAULT_KINDS, Kind

__all__: Final = [
    "Destination",
    "FolderAddress",
    "ReadBack",
    "WebAddress",
    "destination",
    "destinations",
    "kinds_wanted",
]


@dataclass(frozen=True, kw_only=True)
class WebAddress:
    """Where a DICOMweb service is asked (PS3.18 8.2)."""

    url: str  # the service's root, without a slash at its end
    user: str | None = None  # for HTTP Basic (RFC 7617); None: the secret is a bearer token (RFC 6750)
    secret_file: Path | None = None  # holds the password or token
    secret_variable: str | None = None  # of the environment, that holds it; neither: nobody asks for one
    secured: Secured | None = None  # whose certificates are good; None: those that the system trusts

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, kw_only=True)
class FolderAddress:
    """A folder in which results become files."""

    folder: Path  # it exists: a mount that is away is not made up for

    def __str__(self) -> str:
        return str(self.folder)


Way = PeerAddress | WebAddress | FolderAddress
"""How a destination is reached: by C-STORE, by STOW-RS, or through the file system."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """One that gets results."""

    name: str  # in the configuration, in the ledger and in commands
    way: Way
    kinds: tuple[Kind, ...] = DEFAULT_KINDS  # what it gets
    instead: Mapping[Kind, Kind] = field(
        default_factory=dict
    )  # a kind that it does not take -> what is sent in its place
    commitment: bool = False  # whether it is asked for storage commitment (PS3.4 J)
    read_back: ReadBack = ReadBack.NONE  # how it is asked whether the objects are there
    only_from: str | None = None  # the AE title that sent a series, for one that gets its own; None: of all


def destinations(config: Config) -> tuple[Destination, ...]:
    """Everybody who gets results: peers, then the others, each in the order of the configuration."""
    peers = (_peer(peer) for peer in config.peers if peer.gets_results)
    return (*peers, *(_other(each, config) for each in config.destinations))


def destination(config: Config, name: str) -> Destination | None:
    """The destination of a name; None when it is no longer configured."""
    return next((each for each in destinations(config) if each.name == name), None)


def kinds_wanted(config: Config) -> frozenset[Kind]:
    """What is made of a series: all that any destination gets, or gets instead; for none, the defaults."""
    wanted = {kind for each in destinations(config) for kind in (*each.kinds, *each.instead.values())}
    return frozenset(wanted or DEFAULT_KINDS)


def _peer(peer: Peer) -> Destination:
    assert peer.address is not None  # the configuration asks it of whoever gets results
    only_from = peer.ae_title if peer.gets_results == "own" else None
    return _destination(peer.name, peer.address, peer, only_from)


def _other(each: OtherDestination, config: Config) -> Destination:
    if each.folder is not None:
        return _destination(each.name, FolderAddress(folder=each.folder), each)
    assert each.url is not None  # the configuration asks for one of the two
    authorities = each.authorities or config.tls.authorities
    secured = None
    if authorities is not None and each.url.startswith("https:"):
        secured = Secured(authorities=authorities, certificate=config.tls.certificate, key=config.tls.key)
    way = WebAddress(
        url=each.url,
        user=each.user,
        secret_file=each.secret_file,
        secret_variable=each.secret_variable,
        secured=secured,
    )
    return _destination(each.name, way, each)


def _destination(name: str, way: Way, keys: ResultKeys, only_from: str | None = None) -> Destination:
    return Destination(
        name=name,
        way=way,
        kinds=keys.results,
        instead=keys.instead,
        commitment=keys.commitment,
        read_back=keys.read_back,
        only_from=only_from,
    )
