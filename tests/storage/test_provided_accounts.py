"""Accounts of people whom a provider vouches for, on both databases."""

from __future__ import annotations

import threading

import pytest

from storage import accounts, provided_accounts
from storage.accounts import Account
from storage.errors import Refused
from storage.ledger import Ledger
from storage.provided_accounts import Provided
from storage.states import Role

ISSUER = "https://login.hospital.example"
ANNA = Provided(issuer=ISSUER, subject="4711", name="anna")


def enter(
    ledger: Ledger, who: Provided = ANNA, role: Role = Role.VIEWER, now: float = 1.0
) -> tuple[Account, Role | None]:
    with ledger.writing() as connection:
        return provided_accounts.enter(connection, who, role, now)


def test_the_first_login_makes_the_account_and_the_next_takes_the_role_anew(ledger: Ledger) -> None:
    made = Account(
        name="oidc:anna",
        role=Role.VIEWER,
        password=None,
        created_at=1.0,
        changed_at=1.0,
        issuer=ISSUER,
        subject="4711",
    )
    assert enter(ledger) == (made, None)
    assert enter(ledger, now=2.0) == (made, Role.VIEWER)
    account, before = enter(ledger, role=Role.ADMIN, now=3.0)
    assert (account.role, account.changed_at, before) == (Role.ADMIN, 3.0, Role.VIEWER)
    with ledger.reading() as connection:
        assert accounts.listed(connection) == [account]
        assert not accounts.are_there_any(connection)  # none with a password


def test_an_account_is_its_subject_s_and_its_issuer_s(ledger: Ledger) -> None:
    others = [
        Provided(issuer=ISSUER, subject="4712", name="anna"),
        Provided(issuer="https://other.example", subject="4711", name="anna"),
        Provided(issuer=ISSUER, subject="4713", name="anna.2"),
    ]
    names = [enter(ledger, who)[0].name for who in (ANNA, *others)]
    assert names == ["oidc:anna", "oidc:anna.2", "oidc:anna.3", "oidc:anna.2.2"]
    renamed = Provided(issuer=ISSUER, subject="4711", name="bertha")
    assert enter(ledger, renamed)[0].name == "oidc:anna"


def test_no_account_with_a_password_is_called_so(ledger: Ledger) -> None:
    with ledger.writing() as connection, pytest.raises(Refused, match="no account name"):
        accounts.add(connection, name="oidc:anna", role=Role.VIEWER, password="hash", now=1.0)
    with ledger.writing() as connection:
        accounts.add(connection, name="anna", role=Role.ADMIN, password="hash", now=1.0)
    assert enter(ledger)[0].name == "oidc:anna"


def test_what_the_provider_says_is_changed_by_nobody_else(ledger: Ledger) -> None:
    enter(ledger)
    with ledger.writing() as connection:
        with pytest.raises(Refused, match="the identity provider says"):
            accounts.set_role(connection, "oidc:anna", Role.ADMIN, 2.0)
        with pytest.raises(Refused, match="the identity provider says"):
            accounts.set_password(connection, "oidc:anna", "hash", 2.0)
        accounts.remove(connection, "oidc:anna")
        assert provided_accounts.find(connection, ANNA) is None


def test_the_last_administrator_has_a_password(ledger: Ledger) -> None:
    enter(ledger, role=Role.ADMIN)
    with ledger.writing() as connection:
        accounts.add(connection, name="root", role=Role.ADMIN, password="hash", now=1.0)
        with pytest.raises(Refused, match="the last administrator"):
            accounts.remove(connection, "root")
    assert enter(ledger, role=Role.VIEWER)[0].role is Role.VIEWER


def test_a_session_is_of_the_issuer_that_is_believed(ledger: Ledger) -> None:
    enter(ledger)
    with ledger.writing() as connection:
        accounts.open_session(connection, digest="d1", account="oidc:anna", address="10.0.0.1", now=10.0)

    def is_there(issuer: str | None) -> bool:
        with ledger.reading() as connection:
            found = accounts.find_session(connection, "d1", seen_after=0, opened_after=0, issuer=issuer)
        assert found is None or found.is_provided
        return found is not None

    assert [is_there(issuer) for issuer in (ISSUER, "https://other.example", None)] == [True, False, False]
    with ledger.writing() as connection:
        accounts.end_sessions(connection, "oidc:anna", 20.0)
    assert not is_there(ISSUER)


def test_two_first_logins_at_once_make_one_account(ledger: Ledger) -> None:
    start, names = threading.Barrier(4), []

    def log_in() -> None:
        start.wait()
        names.append(enter(ledger)[0].name)

    threads = [threading.Thread(target=log_in) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert names == ["oidc:anna"] * 4
