"""Accounts and sessions, on both databases."""

from __future__ import annotations

import pytest

from storage import accounts
from storage.errors import Refused
from storage.ledger import Ledger
from storage.states import Role


def add(ledger: Ledger, name: str, role: Role = Role.VIEWER, now: float = 1.0) -> None:
    with ledger.writing() as connection:
        accounts.add(connection, name=name, role=role, password="hash", now=now)


def opened(
    ledger: Ledger, digest: str, account: str, *, address: str = "10.0.0.1", now: float = 10.0
) -> None:
    with ledger.writing() as connection:
        accounts.open_session(connection, digest=digest, account=account, address=address, now=now)


def found(
    ledger: Ledger, digest: str, *, seen_after: float = 0, opened_after: float = 0
) -> accounts.Session | None:
    with ledger.reading() as connection:
        return accounts.find_session(connection, digest, seen_after=seen_after, opened_after=opened_after)


def test_an_account(ledger: Ledger) -> None:
    with ledger.reading() as connection:
        assert not accounts.are_there_any(connection)
    add(ledger, "eve", Role.OPERATOR)
    with ledger.reading() as connection:
        assert accounts.are_there_any(connection)
        assert accounts.find(connection, "bob") is None
        assert accounts.listed(connection) == [
            accounts.Account(name="eve", role=Role.OPERATOR, password="hash", created_at=1.0, changed_at=1.0)
        ]


def test_a_name_is_taken_once(ledger: Ledger) -> None:
    add(ledger, "eve")
    with pytest.raises(Refused, match="'eve' is there already"):
        add(ledger, " EVE ")


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "../a", "a" * 65, "é", "-a", "a\n"])
def test_what_is_no_name(name: str) -> None:
    if name == "a\n":
        assert accounts.checked_name(name) == "a"
    else:
        with pytest.raises(Refused, match="is no account name"):
            accounts.checked_name(name)


def test_one_administrator_is_left(ledger: Ledger) -> None:
    add(ledger, "root", Role.ADMIN)
    add(ledger, "eve")
    with ledger.writing() as connection, pytest.raises(Refused, match="the last administrator"):
        accounts.remove(connection, "root")
    with ledger.writing() as connection, pytest.raises(Refused, match="the last administrator"):
        accounts.set_role(connection, "root", Role.OPERATOR, 2.0)
    with ledger.writing() as connection:
        accounts.set_role(connection, "eve", Role.ADMIN, 2.0)
        accounts.remove(connection, "root")
        assert [(a.name, a.role, a.changed_at) for a in accounts.listed(connection)] == [
            ("eve", Role.ADMIN, 2.0)
        ]


def test_changing_nobody_is_refused(ledger: Ledger) -> None:
    for change in (
        lambda c: accounts.set_role(c, "bob", Role.VIEWER, 1.0),
        lambda c: accounts.set_password(c, "bob", "h", 1.0),
        lambda c: accounts.remove(c, "bob"),
    ):
        with ledger.writing() as connection, pytest.raises(Refused, match="no account 'bob'"):
            change(connection)


def test_a_session_lasts_while_it_is_used(ledger: Ledger) -> None:
    add(ledger, "eve")
    opened(ledger, "d1", "eve", now=10.0)
    session = found(ledger, "d1", seen_after=9.0, opened_after=9.0)
    assert session == accounts.Session(
        digest="d1", account="eve", role=Role.VIEWER, address="10.0.0.1", opened_at=10.0, seen_at=10.0
    )
    assert found(ledger, "d1", seen_after=10.0) is None
    with ledger.writing() as connection:
        accounts.use_session(connection, "d1", 20.0)
    assert found(ledger, "d1", seen_after=19.0) is not None
    assert found(ledger, "d1", opened_after=10.0) is None
    assert found(ledger, "d2") is None


def test_a_session_that_ended_is_none_but_its_address_is_known(ledger: Ledger) -> None:
    add(ledger, "eve")
    opened(ledger, "d1", "eve")
    with ledger.writing() as connection:
        accounts.end_session(connection, "d1", 30.0)
        assert accounts.is_known_at(connection, "eve", "10.0.0.1")
        assert not accounts.is_known_at(connection, "eve", "10.0.0.2")
        assert not accounts.is_known_at(connection, "bob", "10.0.0.1")
    assert found(ledger, "d1") is None


def test_another_password_ends_every_session_but_one(ledger: Ledger) -> None:
    add(ledger, "eve")
    add(ledger, "bob")
    for digest, account in (("d1", "eve"), ("d2", "eve"), ("d3", "bob")):
        opened(ledger, digest, account)
    with ledger.writing() as connection:
        accounts.set_password(connection, "eve", "other", 40.0, keep="d2")
        assert accounts.open_sessions(connection, seen_after=0) == {"eve": 1, "bob": 1}
    assert [found(ledger, digest) is not None for digest in ("d1", "d2", "d3")] == [False, True, True]


def test_an_account_takes_its_sessions_with_it(ledger: Ledger) -> None:
    add(ledger, "root", Role.ADMIN)
    add(ledger, "eve")
    opened(ledger, "d1", "eve")
    with ledger.writing() as connection:
        accounts.remove(connection, "eve")
    assert found(ledger, "d1") is None


def test_old_sessions_are_forgotten(ledger: Ledger) -> None:
    add(ledger, "eve")
    opened(ledger, "d1", "eve", now=10.0)
    opened(ledger, "d2", "eve", now=1000.0)
    with ledger.writing() as connection:
        assert accounts.forget_sessions(connection, accounts.REMEMBERED_S + 500.0) == 1
    assert [found(ledger, digest) is not None for digest in ("d1", "d2")] == [False, True]
