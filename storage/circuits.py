"""Destinations that cannot be given anything: kept, so that a restart does not begin with all of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from storage import schema
from storage.ledger import insert_or_update
from storage.records import Circuit


def find(connection: Connection, destination: str) -> Circuit | None:
    """What is wrong with a destination; None where its last try came through."""
    table = schema.circuit
    row = connection.execute(select(table).where(table.c.destination == destination)).first()
    return None if row is None else _circuit(row)


def troubled(connection: Connection) -> list[Circuit]:
    """Every destination with which something is wrong, by name."""
    table = schema.circuit
    return [_circuit(row) for row in connection.execute(select(table).order_by(table.c.destination))]


def keep(connection: Connection, circuit: Circuit) -> None:
    """What came of the last try."""
    insert_or_update(connection, schema.circuit, asdict(circuit), asdict(circuit))


def forget(connection: Connection, destination: str) -> None:
    """It takes objects again, or nothing waits for it."""
    table = schema.circuit
    connection.execute(delete(table).where(table.c.destination == destination))


def give_a_chance(connection: Connection, destination: str, *, failures: int) -> None:
    """Each result tries by itself once more: after that many failures, as it were, since the same time."""
    table = schema.circuit
    statement = update(table).where(table.c.destination == destination, table.c.failures > failures)
    connection.execute(statement.values(failures=failures, next_try_at=None))


def _circuit(row: Row[Any]) -> Circuit:
    return Circuit(**{name: getattr(row, name) for name in Circuit.__dataclass_fields__})
