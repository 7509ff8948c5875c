"""Logs: one JSON object a line on standard error, with allow-listed fields only.

No patient data can reach a log, because a field that is not listed here is dropped and named.
"""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog
from structlog.typing import EventDict, WrappedLogger

ALLOWED: Final = frozenset(
    {
        "event",  # what happened, a fixed sentence
        "level",
        "timestamp",
        "process",  # receiver, dispatcher, worker, supervisor
        "association",  # our identifier
        "calling_ae",
        "called_ae",
        "address",
        "destination",
        "study",  # Study Instance UID
        "series",  # Series Instance UID
        "instance",  # SOP Instance UID
        "sop_class",
        "revision",
        "volume",
        "slices",
        "instances",
        "status",  # DIMSE status, hexadecimal
        "reason",
        "evidence",
        "count",
        "attempt",
        "seconds",
        "port",
        "path",  # of the configuration or the storage root
        "exit_code",
        "pid",
        "exception",
        "version",
        "device",
        "dropped",
    }
)


def _allow_listed(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    dropped = sorted(set(fields) - ALLOWED)
    for name in dropped:
        del fields[name]
    if dropped:
        fields["dropped"] = dropped
    return fields


def configure(process: str) -> None:
    """Set up logging for this process; libraries below WARNING are silent."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format='{"level":"%(levelname)s","event":"%(name)s"}')
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _allow_listed,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
    global_fields = {"process": process}
    structlog.configure(
        processors=[_process_name(global_fields), *structlog.get_config()["processors"]],
    )


def _process_name(fields: dict[str, str]) -> structlog.typing.Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.update(fields)
        return event

    return add


def log() -> structlog.typing.FilteringBoundLogger:
    """The logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
