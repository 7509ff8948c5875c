"""AE titles and network addresses as people write them, checked when they are read.

Pure: nothing here resolves a name or opens a connection. Every `ValueError` says what is wrong with
the value and what is allowed, in words that end up before an administrator.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self

from node.secured import Secured

AE_TITLE_MAX: Final = 16  # characters, PS3.5 6.2
PORT_MAX: Final = 65535
HOST_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")  # RFC 1123, and '_' as Windows writes it
HOST_MAX: Final = 253  # characters, RFC 1035
MAPPED_PREFIX: Final = 96  # bits of ::ffff:0:0/96, RFC 4291 2.5.5.2

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def ae_title(value: str) -> str:
    """The AE title without its insignificant leading and trailing spaces (PS3.5 6.2, VR AE)."""
    title = value.strip(" ")
    if not title:
        raise ValueError("an AE title has at least one character that is not a space (PS3.5 6.2)")
    if len(title) > AE_TITLE_MAX:
        raise ValueError(f"{title!r} has {len(title)} characters; an AE title has at most 16 (PS3.5 6.2)")
    for character in title:
        if character == "\\" or not " " <= character <= "~":
            raise ValueError(
                f"{title!r} holds {character!r}; an AE title is ASCII without backslash "
                "and control characters (PS3.5 6.2)"
            )
    return title


def port(value: int) -> int:
    """A TCP port."""
    if not 1 <= value <= PORT_MAX:
        raise ValueError(f"{value} is not a port (1-{PORT_MAX})")
    return value


def ip_address(value: str) -> IPAddress | None:
    """The address, IPv4-mapped IPv6 as IPv4 and without its zone; None if it is not an address."""
    try:
        address = ipaddress.ip_address(value.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def single_host(value: str) -> str:
    """One machine: an IPv4 or IPv6 address, or a DNS name."""
    if ip_address(value) is not None:
        return value
    if "/" in value:
        raise ValueError(f"{value!r} is a network; one machine is needed: an address or a DNS name")
    labels = value.removesuffix(".").split(".")
    numeric = all(label.isdigit() for label in labels)
    if numeric or len(value) > HOST_MAX or not all(map(HOST_LABEL.fullmatch, labels)):
        raise ValueError(f"{value!r} is neither an IPv4 or IPv6 address nor a DNS name")
    return value


def network(value: str) -> IPNetwork:
    """A network in CIDR form, such as 10.0.0.0/24 or 2001:db8::/64; IPv4-mapped ones as IPv4."""
    try:
        exact = ipaddress.ip_network(value)
        mapped = ip_address(str(exact.network_address)) if exact.prefixlen >= MAPPED_PREFIX else None
        if isinstance(mapped, ipaddress.IPv4Address) and exact.version == 6:
            return ipaddress.IPv4Network((mapped, exact.prefixlen - MAPPED_PREFIX))
        return exact
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a network in CIDR form, such as 10.0.0.0/24") from error
    raise ValueError(f"{value!r} has bits set beyond its prefix; write {str(meant)!r}")


def host_rule(value: str) -> str:
    """What may stand in a peer's `hosts`: an address, a network in CIDR form, or a DNS name."""
    if "/" in value:
        network(value)
        return value
    return single_host(value)


@dataclass(frozen=True, kw_only=True)
class PeerAddress:
    """Where an application entity is called."""

    ae_title: str  # the called AE title
    host: str  # IPv4 or IPv6 address, or DNS name
    port: int  # TCP port
    secured: Secured | None = None  # how TLS is spoken with it; None: it is called without

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``AE@HOST:PORT``; an IPv6 address stands in brackets: ``AE@[2001:db8::5]:104``.

        Raises:
            ValueError: it has another form, or a part of it is not valid.
        """
        title, at, place = text.rpartition("@")
        host, colon, number = place.rpartition(":")
        if not (at and colon and number.isdecimal()):
            raise ValueError(f"{text!r} does not have the form AE@HOST:PORT, such as PACS@10.0.0.9:104")
        return cls(
            ae_title=ae_title(title),
            host=single_host(host.removeprefix("[").removesuffix("]")),
            port=port(int(number)),
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.ae_title}@{host}:{self.port}"
