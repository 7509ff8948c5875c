"""When the certificates that the configuration names end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from node.certificates import not_after
from node.config import Config


def certificates(config: Config) -> dict[str, float]:
    """Key of the configuration -> when the first certificate in its file ends; one that is unreadable: 0.

    A file that cannot be read is as much of an outage as one that has expired: it is told as that.
    """
    return {key: _ends_at(path) for key, path in _files(config)}


def _files(config: Config) -> Iterator[tuple[str, Path]]:
    named = {
        "tls.certificate": config.tls.certificate,
        "tls.authorities": config.tls.authorities,
        "console.certificate": config.console.certificate,
        **{f"destinations.{each.name}.authorities": each.authorities for each in config.destinations},
        "audit.syslog_authorities": config.audit.syslog_authorities,
    }
    yield from ((key, path) for key, path in named.items() if path is not None)


def _ends_at(path: Path) -> float:
    try:
        return min((end.timestamp() for end in not_after(path.read_text(encoding="latin-1"))), default=0.0)
    except (OSError, ValueError):
        return 0.0
