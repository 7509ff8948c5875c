"""Who asks, by the address alone: a monitor, which may read the metrics without a login, or this machine."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from node.addresses import ip_address, network
from node.config import Config

FORWARDED: Final = ("x-forwarded-for", "forwarded")


def is_monitor(request: Request, config: Config) -> bool:
    """Whether a request comes from an address of `console.metrics_from`, and from no proxy before it.

    A reverse proxy on this machine calls from 127.0.0.1 as a monitor does: what it passes on is no monitor's.
    """
    section, address = config.console, request.client.host if request.client is not None else ""
    if is_among(address, section.trusted_proxies):
        return False
    if not section.trusted_proxies and _is_passed_on(request):
        return False
    return is_among(address, section.metrics_from)


def is_this_machine(request: Request) -> bool:
    """Whether somebody sits at the machine itself, or has come to it by a tunnel: no proxy says so."""
    return request.client is not None and is_loopback(request.client.host) and not _is_passed_on(request)


def is_loopback(address: str) -> bool:
    """Whether it is an address of the machine itself, for itself (RFC 1122 3.2.1.3, RFC 4291 2.5.3)."""
    ip = ip_address(address)
    return ip is not None and ip.is_loopback


def is_among(address: str, rules: tuple[str, ...]) -> bool:
    """Whether an address is one of these addresses, or in one of these networks."""
    ip = ip_address(address)
    return ip is not None and any(
        ip in network(rule) if "/" in rule else ip == ip_address(rule) for rule in rules
    )


def _is_passed_on(request: Request) -> bool:
    return any(name in request.headers for name in FORWARDED)
