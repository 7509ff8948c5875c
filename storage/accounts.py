"""Who may log in to the console, and who is logged in. Passwords are hashes here, tokens are digests.

One administrator with a password is always left: an account that is the last one keeps its role, and is not
removed. Accounts of an identity provider are made by `storage.provided_accounts`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, exists, func, or_, select, update

from storage import schema
from storage.errors import Refused
from storage.ledger import insert_new
from storage.states import Role

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
PROVIDED: Final = "oidc:"
"""What the name of a provider's account begins with: no account with a password can have it."""
REMEMBERED_S: Final = 30 * 86_400.0
"""How long a login is remembered after it ended: its address is then one that the account is known at."""
SEEN_S: Final = 15.0
"""How old the last use of a session is at least when another one is written: few writes."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Somebody who may log in."""

    name: str  # in lower case
    role: Role
    password: str | None  # its Argon2id hash; None: an identity provider vouches for it
    created_at: float
    changed_at: float  # when role or password were last changed
    issuer: str | None = None  # of the identity provider
    subject: str | None = None  # whom the provider means


@dataclass(frozen=True, kw_only=True)
class Session:
    """One login."""

    digest: str  # SHA-256 of the token, hexadecimal
    account: str
    role: Role  # of the account, now
    address: str  # where it logged in from
    opened_at: float
    seen_at: float  # last used by a person

    @property
    def is_provided(self) -> bool:
        """Whether an identity provider vouches for the account."""
        return self.account.startswith(PROVIDED)


def checked_name(name: str) -> str:
    """A name as it is kept. Raises Refused."""
    lower = name.strip().lower()
    if not NAME.fullmatch(lower):
        raise Refused(f"{name!r} is no account name: 1 to 64 letters, digits, '.', '_', '@' or '-'")
    return lower


def are_there_any(connection: Connection) -> bool:
    """Whether anybody has a password to log in with."""
    table = schema.account
    with_password = select(table.c.name).where(table.c.password.is_not(None))
    return bool(connection.execute(select(exists(with_password))).scalar())


def find(connection: Connection, name: str) -> Account | None:
    """The account of a name."""
    table = schema.account
    row = connection.execute(select(table).where(table.c.name == name)).first()
    return None if row is None else _account(row)


def listed(connection: Connection) -> list[Account]:
    """All accounts, by name."""
    return [
        _account(row) for row in connection.execute(select(schema.account).order_by(schema.account.c.name))
    ]


def add(connection: Connection, *, name: str, role: Role, password: str, now: float) -> None:
    """A new account; `password` is a hash. Raises Refused where the name is taken."""
    values = {"name": checked_name(name), "role": role, "password": password}
    if not insert_new(connection, schema.account, **values, created_at=now, changed_at=now):
        raise Refused(f"account {values['name']!r} is there already")


def set_role(connection: Connection, name: str, role: Role, now: float) -> None:
    """Another role, from the next request on. Raises Refused."""
    _is_ours(name)
    if role is not Role.ADMIN:
        _keep_an_administrator(connection, name)
    _change(connection, name, {"role": role, "changed_at": now})


def set_password(connection: Connection, name: str, password: str, now: float, *, keep: str = "") -> None:
    """Another password (its hash); every session of the account ends, but the one to keep.

    Raises Refused.
    """
    _is_ours(name)
    _change(connection, name, {"password": password, "changed_at": now})
    table = schema.session
    of_it = (table.c.account == name, table.c.ended_at.is_(None), table.c.digest != keep)
    connection.execute(update(table).where(*of_it).values(ended_at=now))


def rehash(connection: Connection, name: str, password: str) -> None:
    """The same password under other parameters."""
    _change(connection, name, {"password": password})


def remove(connection: Connection, name: str) -> None:
    """The account and its sessions go. Raises Refused."""
    _keep_an_administrator(connection, name)
    connection.execute(delete(schema.session).where(schema.session.c.account == name))
    if not connection.execute(delete(schema.account).where(schema.account.c.name == name)).rowcount:
        raise Refused(f"there is no account {name!r}")


def _is_ours(name: str) -> None:
    if name.startswith(PROVIDED):
        raise Refused(f"the identity provider says what {name!r} may do, and how it logs in")


def _change(connection: Connection, name: str, values: dict[str, Any]) -> None:
    table = schema.account
    if not connection.execute(update(table).where(table.c.name == name).values(**values)).rowcount:
        raise Refused(f"there is no account {name!r}")


def _keep_an_administrator(connection: Connection, name: str) -> None:
    table = schema.account
    administrators = (
        connection.execute(
            select(table.c.name).where(table.c.role == Role.ADMIN, table.c.password.is_not(None))
        )
        .scalars()
        .all()
    )
    if list(administrators) == [name]:
        raise Refused(f"{name!r} is the last administrator: make another one first")


def open_session(connection: Connection, *, digest: str, account: str, address: str, now: float) -> None:
    """Somebody logged in."""
    values = {"digest": digest, "account": account, "address": address, "opened_at": now, "seen_at": now}
    connection.execute(schema.session.insert().values(**values))


def find_session(
    connection: Connection, digest: str, *, seen_after: float, opened_after: float, issuer: str | None = None
) -> Session | None:
    """A session that neither ended nor was left alone, nor is too old.

    `issuer`: of the identity provider that is believed; accounts of any other have no session.
    """
    session, account = schema.session, schema.account
    row = connection.execute(
        select(session, account.c.role)
        .join(account, account.c.name == session.c.account)
        .where(
            session.c.digest == digest,
            session.c.ended_at.is_(None),
            session.c.seen_at > seen_after,
            session.c.opened_at > opened_after,
            or_(account.c.issuer.is_(None), account.c.issuer == issuer),
        )
    ).first()
    if row is None:
        return None
    return Session(**{name: getattr(row, name) for name in Session.__dataclass_fields__})


def use_session(connection: Connection, digest: str, now: float) -> None:
    """A person used it now."""
    connection.execute(update(schema.session).where(schema.session.c.digest == digest).values(seen_at=now))


def end_session(connection: Connection, digest: str, now: float) -> None:
    """Somebody logged out."""
    table = schema.session
    connection.execute(
        update(table).where(table.c.digest == digest, table.c.ended_at.is_(None)).values(ended_at=now)
    )


def end_sessions(connection: Connection, account: str, now: float) -> None:
    """Nobody is logged in as this account any more."""
    table = schema.session
    of_it = (table.c.account == account, table.c.ended_at.is_(None))
    connection.execute(update(table).where(*of_it).values(ended_at=now))


def is_known_at(connection: Connection, account: str, address: str) -> bool:
    """Whether this account has logged in from this address before."""
    table = schema.session
    before = select(table.c.digest).where(table.c.account == account, table.c.address == address)
    return bool(connection.execute(select(exists(before))).scalar())


def has_logged_in_with(connection: Connection, account: str, digest: str) -> bool:
    """Whether this account has begun a session of this digest, within the time that one is remembered."""
    table = schema.session
    begun = select(table.c.digest).where(table.c.account == account, table.c.digest == digest)
    return bool(connection.execute(select(exists(begun))).scalar())


def open_sessions(connection: Connection, *, seen_after: float) -> dict[str, int]:
    """Account -> how many sessions it has open."""
    table = schema.session
    rows = connection.execute(
        select(table.c.account, func.count().label("sessions"))
        .where(table.c.ended_at.is_(None), table.c.seen_at > seen_after)
        .group_by(table.c.account)
    )
    return {row.account: row.sessions for row in rows}


def forget_sessions(connection: Connection, now: float) -> int:
    """Remove sessions that nobody has used for a long time. Returns how many."""
    table = schema.session
    return connection.execute(delete(table).where(table.c.seen_at < now - REMEMBERED_S)).rowcount


def _account(row: Row[Any]) -> Account:
    return Account(**{name: getattr(row, name) for name in Account.__dataclass_fields__})
