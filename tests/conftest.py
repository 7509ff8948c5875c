"""For every test: an example of a property may take its time; what a test does to the logs ends with it."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.register_profile("ctnode", deadline=None)
settings.load_profile("ctnode")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command that sets up its logs writes to a stream which is closed after its test."""
    hooks, handlers = (sys.excepthook, threading.excepthook), list(logging.getLogger().handlers)
    yield
    structlog.reset_defaults()
    sys.excepthook, threading.excepthook = hooks
    logging.getLogger().handlers[:] = handlers
