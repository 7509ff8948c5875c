"""Logs: JSON lines with allow-listed fields, and no words that could quote a data set."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from storage import logs
from storage.errors import LedgerDown
from storage.logs import configure, describe, log

SECRET = "DOE^JANE"
Lines = Any


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Logging as in a process of ours; call it for the lines written since."""
    hooks = sys.excepthook, threading.excepthook
    root, handlers = logging.getLogger(), logging.getLogger().handlers[:]
    standard_error = io.StringIO()
    monkeypatch.setattr(sys, "stderr", standard_error)
    configure("worker")

    def read() -> list[dict[str, Any]]:
        written = standard_error.getvalue()
        assert SECRET not in written
        return [json.loads(line) for line in written.splitlines()]

    yield read
    sys.excepthook, threading.excepthook = hooks
    root.handlers[:] = handlers
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_the_process(lines: Lines) -> None:
    log().info("series complete", series="1.2.3", instances=300)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "series complete",
        "level": "info",
        "process": "worker",
        "series": "1.2.3",
        "instances": 300,
    }


def test_a_field_for_a_uid_holds_nothing_else(lines: Lines) -> None:
    """What a command set names is whatever its sender wrote (PS3.7 9.3.1.1)."""
    log().warning("instance refused", instance=SECRET, series=f"1.2.{SECRET}", study="1.2.3", sop_class="")
    log().warning("instance refused", transaction="1" * 65, instance="1.2\n3")
    first, second = lines()
    told = {name: first[name] for name in ("instance", "series", "study", "sop_class")}
    assert told == {"instance": "(no UID)", "series": "(no UID)", "study": "1.2.3", "sop_class": ""}
    assert (second["transaction"], second["instance"]) == ("(no UID)", "(no UID)")


def test_a_field_that_is_not_listed_is_dropped_and_named(lines: Lines) -> None:
    log().warning("instance refused", patient_name=SECRET, PatientID=SECRET, status="A900")
    (line,) = lines()
    assert line["dropped"] == ["PatientID", "patient_name"]
    assert line["status"] == "A900"
    assert not {"patient_name", "PatientID"} & set(line)


def test_the_supervisor_names_the_process_it_speaks_of(lines: Lines) -> None:
    log().error("process died", role="receiver", exit_code=-9)
    assert [(line["process"], line["role"]) for line in lines()] == [("worker", "receiver")]


def test_a_line_that_cannot_be_written_is_not_printed_with_its_arguments(lines: Lines) -> None:
    assert logging.raiseExceptions is False


def test_debugging_is_silent(lines: Lines) -> None:
    log().debug("step")
    logging.getLogger("pydicom").info("read %s", SECRET)
    assert lines() == []


def test_of_a_library_only_the_place_is_logged(lines: Lines) -> None:
    logging.getLogger("pydicom").warning("odd value %s", SECRET)
    warnings.warn(f"odd value {SECRET}", stacklevel=1)
    first, second = lines()
    assert (first["event"], first["level"]) == ("a library warned", "warning")
    assert (first["process"], first["library"].split(":")[0]) == ("worker", "pydicom")
    assert second["library"].split(":")[0] == "py.warnings"


def test_of_a_foreign_exception_only_kind_and_place_are_logged(lines: Lines) -> None:
    try:
        int(SECRET)
    except ValueError:
        log().exception("instance failed", instance="1.2.3")
    (line,) = lines()
    assert line["exception"].startswith("ValueError at test_logs.py:")


def test_an_exception_of_ours_keeps_its_words_and_its_cause() -> None:
    try:
        try:
            int(SECRET)
        except ValueError as error:
            raise LedgerDown("the database does not answer") from error
    except LedgerDown as error:
        told = describe(error)
    assert told.startswith("LedgerDown: the database does not answer at test_logs.py:")
    assert "; after ValueError at test_logs.py:" in told
    assert SECRET not in told


def test_what_kills_a_thread_or_the_process_is_logged(lines: Lines) -> None:
    thread = threading.Thread(target=int, args=(SECRET,))
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError(SECRET), None)
    assert [(line["event"], line["level"]) for line in lines()] == [
        ("thread failed", "critical"),
        ("process failed", "critical"),
    ]


def test_no_listed_field_names_the_patient() -> None:
    assert not [name for name in logs.ALLOWED if "patient" in name or "birth" in name or "name" in name]
