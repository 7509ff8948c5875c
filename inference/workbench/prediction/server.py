"""One server, from the folder for its uploads to its end."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import uvicorn

from inference.workbench.prediction.application import application
from inference.workbench.prediction.jobs import Jobs
from inference.workbench.prediction.runner import Runner
from inference.workbench.prediction.settings import PredictionSettings
from inference.workbench.prediction.spool import own_folder
from inference.workbench.prediction.worker import LoadAnalyser, load_models
from storage.errors import ConfigError

STOP_S: Final = 3
OPEN_MAX: Final = 50
"""Connections; more are answered 503."""
SILENT_S: Final = 30
"""That a connection is kept for the next request."""


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Files of PEM."""

    certificate: Path
    key: Path


@contextmanager
def prepared(
    settings: PredictionSettings, load: LoadAnalyser = load_models, tls: Tls | None = None
) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """A server that is ready to run: its address with the token, what runs it, what stops it.

    Raises:
        ConfigError: it cannot listen, the folder for uploads is not its own, or a certificate is not there.
    """
    with _listening(settings) as listener, own_folder(settings.spool) as folder:
        settings = replace(settings, port=listener.getsockname()[1])
        jobs = Jobs(
            Runner(settings, folder, load), folder, waiting_limit=settings.waiting_limit, kept=settings.kept
        )
        try:
            server = uvicorn.Server(_config(settings, jobs, tls))
            yield (
                address(settings, is_https=tls is not None),
                lambda: server.run(sockets=[listener]),
                lambda: setattr(server, "should_exit", True),
            )
        finally:
            jobs.close()


def address(settings: PredictionSettings, *, is_https: bool) -> str:
    """Where it is found first: with the token."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "https" if is_https else "http"
    return (
        f"{scheme}://{settings.names[0] if settings.names else host}:{settings.port}/?token={settings.token}"
    )


def is_loopback(host: str) -> bool:
    """Whether an address is heard on this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _listening(settings: PredictionSettings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        told = f"{settings.host} port {settings.port} cannot be listened on: {error.strerror}"
        raise ConfigError(told) from error
    with listener:
        yield listener


def _config(settings: PredictionSettings, jobs: Jobs, tls: Tls | None) -> uvicorn.Config:
    config = uvicorn.Config(
        application(settings, jobs),
        ssl_certfile=None if tls is None else tls.certificate,
        ssl_keyfile=None if tls is None else tls.key,
        proxy_headers=False,
        server_header=False,
        access_log=False,  # the first address has the token
        log_config=None,
        lifespan="off",
        ws="none",
        http="h11",
        h11_max_incomplete_event_size=16 * 1024,
        limit_concurrency=OPEN_MAX,
        timeout_keep_alive=SILENT_S,
        timeout_graceful_shutdown=STOP_S,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"the certificate or its key cannot be used: {error}") from error
    return config
