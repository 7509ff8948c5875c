"""Accounts of people whom an identity provider vouches for. They have no password here.

Such an account belongs to the provider's `sub`, which is never given to another person (OpenID Connect Core
1.0, 5.7). Its name is only what people read: it begins with `accounts.PROVIDED`, so it is never that of an
account with a password, and stays what it was at the first login.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from sqlalchemy import Connection, update

from storage import accounts, schema
from storage.accounts import PROVIDED, Account
from storage.errors import Refused
from storage.ledger import insert_new
from storage.states import Role


@dataclass(frozen=True, kw_only=True)
class Provided:
    """Somebody whom a provider vouches for."""

    issuer: str  # the provider's issuer identifier
    subject: str  # its `sub`
    name: str  # what to call a new account, without PROVIDED


def find(connection: Connection, who: Provided) -> Account | None:
    """The account of a person; None for one who has never logged in."""
    table = schema.account
    found = connection.execute(
        table.select().where(table.c.issuer == who.issuer, table.c.subject == who.subject)
    ).first()
    return None if found is None else accounts.find(connection, found.name)


def enter(connection: Connection, who: Provided, role: Role, now: float) -> tuple[Account, Role | None]:
    """The account of somebody who logs in, with the role of now; made where there is none.

    Returns:
        The account, and the role that it had before; None for a new one.
    """
    before = find(connection, who)
    if before is None:
        return _made(connection, who, role, now), None
    if before.role is not role:
        table = schema.account
        changed = update(table).where(table.c.name == before.name).values(role=role, changed_at=now)
        connection.execute(changed)
    account = accounts.find(connection, before.name)
    assert account is not None
    return account, before.role


def _made(connection: Connection, who: Provided, role: Role, now: float) -> Account:
    """Where the name is another person's, a number tells them apart."""
    for number in count(1):
        name = f"{PROVIDED}{who.name}" + (f".{number}" if number > 1 else "")
        values = {"name": name, "role": role, "issuer": who.issuer, "subject": who.subject}
        if insert_new(connection, schema.account, **values, created_at=now, changed_at=now):
            break
        if find(connection, who) is not None:  # by another of the person's logins, just now
            break
    account = find(connection, who)
    if account is None:
        raise Refused(f"no account can be made for {PROVIDED}{who.name}")
    return account
