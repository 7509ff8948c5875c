"""When each process of the node was last alive: those that run jobs, and receivers."""

from __future__ import annotations

import socket
from collections.abc import Collection

from sqlalchemy import Connection, delete, select

from storage import schema
from storage.ledger import insert_or_update


def name_of(role: str) -> str:
    """Of the process of a role on this host."""
    return f"{socket.gethostname()}/{role}"


def beat(connection: Connection, name: str, now: float) -> None:
    """It is alive."""
    insert_or_update(connection, schema.heartbeat, {"executor_id": name, "at": now}, {"at": now})


def last(connection: Connection, names: Collection[str]) -> dict[str, float]:
    """When each of these was last alive; those that never were are left out."""
    table = schema.heartbeat.c
    rows = connection.execute(select(table.executor_id, table.at).where(table.executor_id.in_(names)))
    return {row.executor_id: row.at for row in rows}


def forget_receivers(connection: Connection) -> None:
    """Of whatever host: the node begins, so none of them lives. Of those that run jobs, see `workflows`."""
    table = schema.heartbeat
    connection.execute(delete(table).where(table.c.executor_id.like("%/receiver %")))


def forget(connection: Connection, name: str) -> None:
    """It ended as it was told to."""
    connection.execute(delete(schema.heartbeat).where(schema.heartbeat.c.executor_id == name))
