"""From the rows of the ledger to lines of the audit file, in order: none twice, none lost.

Rows know whether they are audited. Lines are written first, then their rows are marked, in one transaction
with how far the file is; a process that ends in between finds its lines behind that, and marks their rows.
Each round looks first whether the file ends where the ledger says, and one process writes at a time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Final

from sqlalchemy import Connection

from node.audit import ageing, chain, events
from node.audit.chain import Begin, Broken, Head, Line
from node.audit.events import Transfer
from node.audit.file import append, behind
from node.audit.message import Message, xml
from node.audit.parts import Part, alone, audit_file, growing, next_unused, set_aside
from node.config import Config
from storage import audits
from storage import events as ledger_events
from storage.audits import Exported, Trail
from storage.errors import Unavailable
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Event

BATCH: Final = 200
"""Rows of each sort in one round."""
BROKEN: Final = "audit trail broken"
AGAIN_S: Final = 60.0
"""A file that is changed again so soon is changed by somebody who goes on: no other one is begun for that."""
DAY_S: Final = 86_400.0
MEGABYTE: Final = 1_000_000

Source = tuple[str, float, list[Message]]
"""Which rows, when they happened, and what is said of them."""


class Auditing:
    """Writes what is due, at the pace of its caller."""

    def __init__(self, config: Config, ledger: Ledger, *, clock: Callable[[], float]) -> None:
        self._config, self._ledger, self._clock = config, ledger, clock
        self._path = audit_file(config)
        self._broken_at = -math.inf  # when the file was last found changed

    def audit(self) -> None:
        """One round. Raises Unavailable: the file or the database does not take it; the next round tries."""
        if not self._config.audit.enabled:
            return
        with alone(self._path) as is_alone:
            if is_alone:  # else a process that is about to end, or another node, writes
                self._round()

    def _round(self) -> None:
        with self._ledger.reading() as connection:
            trail = audits.trail(connection)
        trail = self._reached(trail)
        with self._ledger.reading() as connection:
            due = sorted(_due(connection, self._config.node.ae_title), key=lambda source: source[1])
        if due:
            self._write(due, trail)

    def retire(self) -> None:
        """Remove files that ended before `audit.retention_days`. Raises Unavailable, as `audit`."""
        section = self._config.audit
        if not section.enabled or not section.retention_days:
            return
        with alone(self._path) as is_alone:
            if is_alone:
                with self._ledger.reading() as connection:
                    trail = audits.trail(connection)
                is_sent = section.syslog_host is not None
                for part, digest in ageing.over(
                    self._path,
                    before=self._clock() - section.retention_days * DAY_S,
                    up_to=trail.sent_bytes if is_sent else trail.file_bytes,
                ):
                    trail = self._remove(part, digest, self._reached(trail))

    def _remove(self, part: Part, digest: str, trail: Trail) -> Trail:
        """The line that says so first: a file that is gone without one was taken away by somebody."""
        message = events.aged_out(part.path.name, ae_title=self._config.node.ae_title, at=self._clock())
        source = f"{chain.REMOVED}:{part.number}:{digest}"
        trail = self._write([(source, message.at, [message])], trail)
        ageing.remove(part)
        log().info("audit file aged out", path=str(part.path))
        return trail

    def _reached(self, trail: Trail) -> Trail:
        """How far the file is, with what a process wrote that ended before it could say so."""
        try:
            lines = behind(self._path, trail)
        except Broken as error:
            return self._begin_again(trail, str(error))
        if not lines:
            return trail
        if lines[0].source.startswith(f"{Begin.AGAIN}:"):  # it ended before it could tell
            self._tell_broken("the audit file is not as it was written")
        return self._settle(lines, sum(len(each.text()) + 1 for each in lines), trail)

    def _begin_again(self, trail: Trail, reason: str) -> Trail:
        """Somebody changed the file: that is audited itself. The file is kept as it is, and another begun."""
        now = self._clock()
        if 0 <= now - self._broken_at < AGAIN_S:
            raise Unavailable(f"{reason}; and so it was a moment ago: who else writes there?")
        self._broken_at = now
        log().error(BROKEN, path=str(self._path), reason=reason)
        if self._path.exists():
            part = growing(self._path)
            set_aside(self._path, max(next_unused(self._path), part.number if part is not None else 1))
        begun = self._head(trail, Begin.AGAIN).line()
        size = append(self._path, [begun])
        self._tell_broken(reason)
        return self._settle([begun], size, trail)

    def _tell_broken(self, reason: str) -> None:
        subject = self._config.node.ae_title
        with self._ledger.writing() as connection:
            ledger_events.tell(
                connection, Event(at=self._clock(), kind=BROKEN, subject=subject, detail=reason)
            )

    def _head(self, trail: Trail, begin: Begin) -> Head:
        return Head(
            begin=begin,
            number=next_unused(self._path),
            begins_at=trail.file_bytes,
            previous=trail.file_digest,
        )

    def _write(self, due: list[Source], trail: Trail) -> Trail:
        """Rows of which nothing is audited have no line, and are done with all the same."""
        lines: list[Line] = []
        previous = trail.file_digest
        for source, _, messages in due:
            if messages:
                lines = lines or self._begun(trail)
                previous = lines[-1].sha256 if lines else previous
                said = [xml(each, source=self._config.node.ae_title) for each in messages]
                lines.append(chain.line(source, said, previous=previous))
        size = append(self._path, lines) if lines else 0
        return self._settle(lines, size, trail, [source for source, _, _ in due])

    def _begun(self, trail: Trail) -> list[Line]:
        """The head of another file, where the one that grows is long enough; of the first one none."""
        section, part = self._config.audit, growing(self._path)
        if part is not None and ageing.is_ended(
            part,
            size_bytes=section.file_mb * MEGABYTE,
            before=self._clock() - section.file_days * DAY_S,
        ):
            set_aside(self._path, part.number)
            part = None
        return [] if part is not None or not trail.file_bytes else [self._head(trail, Begin.PART).line()]

    def _settle(self, lines: list[Line], size: int, trail: Trail, sources: list[str] | None = None) -> Trail:
        digest = lines[-1].sha256 if lines else trail.file_digest
        reached = replace(
            trail, file_bytes=trail.file_bytes + size, file_digest=digest, lines=trail.lines + len(lines)
        )
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
