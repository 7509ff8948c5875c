"""Who is a monitor: a program that may read the metrics without a login, known by its address."""

from __future__ import annotations

from starlette.requests import Request

from node.addresses import ip_address, network
from node.config import Config

FORWARDED = ("x-forwarded-for", "forwarded")


def is_monitor(request: Request, config: Config) -> bool:
    """Whether a request comes from an address of `console.metrics_from`, and from no proxy before it.

    A reverse proxy on this machine calls from 127.0.0.1 as a monitor does: what it passes on is no monitor's.
    """
    section, address = config.console, request.client.host if request.client is not None else ""
    if _is_among(address, section.trusted_proxies):
        return False
    if not section.trusted_proxies and any(name in request.headers for name in FORWARDED):
        return False
    return _is_among(address, section.metrics_from)


def _is_among(address: str, rules: tuple[str, ...]) -> bool:
    ip = ip_address(address)
    return ip is not None and any(
        ip in network(rule) if "/" in rule else ip == ip_address(rule) for rule in rules
    )
