"""Logs: one JSON object a line on standard error, with allow-listed fields only.

No patient data can reach a log: a field that is not listed here is dropped and named; one that holds a UID
holds nothing else, for what a sender puts there may be anything; of an exception that is not ours, and of a
library's warning, only the place is written, because their words may quote the data set.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Final

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from storage.errors import CtnodeError

TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
ALLOWED: Final = frozenset(
    {
        "event",  # what happened, a fixed sentence
        "level",
        "timestamp",
        "process",  # receiver, dispatcher, worker, supervisor
        "role",  # of a child process: receiver, dispatcher, worker
        "association",  # our identifier
        "calling_ae",
        "called_ae",
        "address",
        "destination",
        "study",  # Study Instance UID
        "series",  # Series Instance UID
        "instance",  # SOP Instance UID
        "transaction",  # Transaction UID of a storage commitment
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
        "exception",  # kind and place, without its words
        "library",  # which wrote a warning of its own, and its line
        "version",
        "device",
        "dropped",
    }
)


UIDS: Final = frozenset({"study", "series", "instance", "transaction", "sop_class"})
UID: Final = re.compile(r"[0-9.]{0,64}")
"""PS3.5 9.1, as far as it goes to say that it holds no words."""
NO_UID: Final = "(no UID)"


def configure(process: str) -> None:
    """Set up logging for this process: libraries below WARNING are silent, what kills it is logged."""
    library = logging.StreamHandler(sys.stderr)
    library.setFormatter(_LibraryFormatter(process))
    logging.basicConfig(level=logging.WARNING, handlers=[library], force=True)
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what it says, we say with the reason
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a line that cannot be written would be printed with its arguments
    sys.excepthook = lambda _type, error, _trace: log().critical("process failed", exc_info=error)
    threading.excepthook = lambda args: log().critical("thread failed", exc_info=args.exc_value)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt=TIME_FORMAT, utc=True),
            _name(process),
            _exception,
            _allow_listed,
            _uids,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def log() -> FilteringBoundLogger:
    """The logger."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def _name(process: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
        fields["process"] = process
        return fields

    return add


def _exception(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    error = fields.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        fields["exception"] = describe(error)
    return fields


def describe(error: BaseException) -> str:
    """What kind of error it is and where it was raised, with its causes; in its words only if it is ours."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " > ".join(f"{PurePath(f.filename).name}:{f.lineno} {f.name}" for f in frames)
    words = f": {error}" if isinstance(error, CtnodeError) else ""
    cause = error.__cause__ or error.__context__
    because = f"; after {describe(cause)}" if cause is not None else ""
    return f"{type(error).__name__}{words} at {where}{because}"


def _allow_listed(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    dropped = sorted(set(fields) - ALLOWED)
    allowed = {name: value for name, value in fields.items() if name in ALLOWED}
    return allowed | {"dropped": dropped} if dropped else allowed


def _uids(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    wrong = {name for name in UIDS.intersection(fields) if UID.fullmatch(str(fields[name])) is None}
    return {name: NO_UID if name in wrong else value for name, value in fields.items()}


class _LibraryFormatter(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "event": "a library warned",
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).strftime(TIME_FORMAT),
            "process": self._process,
            "library": f"{record.name}:{record.lineno}",
        }
        if record.exc_info is not None and record.exc_info[1] is not None:
            fields["exception"] = describe(record.exc_info[1])
        return json.dumps(fields)
