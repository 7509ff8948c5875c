"""From the rows of the ledger to lines of the audit file, in order: none twice, none lost.

Rows know whether they are audited. Lines are written first, then their rows are marked, in one transaction
with how far the file is; a process that ends in between finds its lines behind that, and marks their rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Final

from sqlalchemy import Connection

from node.audit import chain, events
from node.audit.chain import Broken, Line
from node.audit.events import Transfer
from node.audit.file import append, audit_file, behind
from node.audit.message import Message, xml
from node.config import Config
from storage import audits
from storage import events as ledger_events
from storage.audits import Exported, Trail
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Event

BATCH: Final = 200
"""Rows of each sort in one round."""
BROKEN: Final = "audit trail broken"

Source = tuple[str, float, list[Message]]
"""Which rows, when they happened, and what is said of them."""


class Auditing:
    """Writes what is due, at the pace of its caller."""

    def __init__(self, config: Config, ledger: Ledger, *, clock: Callable[[], float]) -> None:
        self._config, self._ledger, self._clock = config, ledger, clock
        self._trail: Trail | None = None  # None until it is known how far the file is

    def audit(self) -> None:
        """One round. Raises Unavailable: the file or the database does not take it; the next round tries."""
        if not self._config.audit.enabled:
            return
        trail = self._trail if self._trail is not None else self._reached()
        self._trail = None  # unless this round comes to its end
        with self._ledger.reading() as connection:
            due = sorted(_due(connection, self._config.node.ae_title), key=lambda source: source[1])
        if due:
            trail = self._write(due, trail)
        self._trail = trail

    def _reached(self) -> Trail:
        """How far the file is, with what a process wrote that ended before it could say so."""
        path = audit_file(self._config)
        with self._ledger.reading() as connection:
            trail = audits.trail(connection)
        try:
            lines = behind(path, trail)
        except Broken as error:
            log().error(BROKEN, path=str(path), reason=str(error))
            return self._begin_again(trail, str(error))
        if not lines:
            return trail
        size = trail.file_bytes + sum(len(each.text()) + 1 for each in lines)
        return self._settle(lines, size, trail)

    def _begin_again(self, trail: Trail, reason: str) -> Trail:
        """Somebody changed the file: that is audited itself. Its chain does not hold any more, for good."""
        path = audit_file(self._config)
        now = self._clock()
        about = Event(at=now, kind=BROKEN, subject=self._config.node.ae_title, detail=reason)
        size = append(path, [])
        reached = Trail(file_bytes=size, file_digest=trail.file_digest, lines=trail.lines)
        with self._ledger.writing() as connection:
            ledger_events.tell(connection, about)
            audits.keep(connection, reached)
        return reached

    def _write(self, due: list[Source], trail: Trail) -> Trail:
        """Rows of which nothing is audited have no line, and are done with all the same."""
        lines, previous = [], trail.file_digest
        for source, _, messages in due:
            if messages:
                said = [xml(each, source=self._config.node.ae_title) for each in messages]
                lines.append(chain.line(source, said, previous=previous))
                previous = lines[-1].sha256
        size = append(audit_file(self._config), lines) if lines else trail.file_bytes
        return self._settle(lines, size, trail, [source for source, _, _ in due])

    def _settle(self, lines: list[Line], size: int, trail: Trail, sources: list[str] | None = None) -> Trail:
        digest = lines[-1].sha256 if lines else trail.file_digest
        reached = Trail(file_bytes=size, file_digest=digest, lines=trail.lines + len(lines))
        with self._ledger.writing() as connection:
            audits.done(connection, [each.source for each in lines] if sources is None else sources)
            audits.keep(connection, reached)
        return reached


def _due(connection: Connection, ae_title: str) -> Iterator[Source]:
    """Everything that is not audited, up to a batch of each sort."""
    for id, event in audits.events(connection, BATCH):
        message = events.told(event, ae_title=ae_title)
        yield f"event:{id}", event.at, [] if message is None else [message]
    for association in audits.associations(connection, BATCH):
        brought = audits.came_in(connection, association.id)
        transfers = [
            Transfer(study_instance_uid=study, sop_classes=classes)
            for study, classes in sorted(brought.items())
        ]
        messages = events.received(association, transfers)
        yield f"association:{association.id}", association.closed_at or 0.0, messages
    yield from _delivered(audits.exported(connection, BATCH), ae_title)


def _delivered(results: list[Exported], ae_title: str) -> Iterator[Source]:
    """One message for each destination and study of a batch."""

    def together(each: Exported) -> tuple[str, str]:
        return each.destination, each.study_instance_uid

    for (destination, study), group in groupby(sorted(results, key=together), key=together):
        rows = sorted(group, key=lambda each: each.id)
        classes = Counter(each.sop_class_uid for each in rows)
        transfer = Transfer(study_instance_uid=study, sop_classes=classes)
        at = max(each.at for each in rows)
        message = events.delivered(destination, transfer, ae_title=ae_title, at=at)
        yield f"delivery:{','.join(str(each.id) for each in rows)}", at, [message]
