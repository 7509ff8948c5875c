"""Migrations: from nothing to the schema, again, and back, on both databases."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, create_engine, inspect, text, update
from sqlalchemy.exc import IntegrityError

from storage import arrivals, database, schema
from storage.errors import LedgerDown
from storage.ledger import Ledger
from storage.schema import metadata
from tests.storage.rows import instance

MIGRATIONS = Path(database.__file__).parent / "migrations"


def _differences(ledger: Ledger) -> list[Any]:
    with ledger.reading() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _checks(ledger: Ledger) -> set[tuple[str, str]]:
    """The CHECK constraints, which alembic does not compare."""
    inspector = inspect(ledger.engine)
    return {
        (table, str(check["name"]))
        for table in metadata.tables
        for check in inspector.get_check_constraints(table)
    }


def test_migrating_from_nothing_gives_exactly_the_schema(empty_url: str) -> None:
    ledger = Ledger(empty_url)
    ledger.migrate()
    assert _differences(ledger) == []
    expected = {
        (table.name, str(constraint.name))
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert len(expected) == 25
    assert _checks(ledger) == expected
    ledger.close()


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    ledger = Ledger(empty_url)
    ledger.migrate()
    with ledger.writing() as connection:
        connection.execute(text("INSERT INTO heartbeat VALUES ('host/worker', 1.0)"))
    ledger.migrate()
    with ledger.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0009"]
        assert connection.execute(text("SELECT at FROM heartbeat")).scalars().all() == [1.0]
    assert _differences(ledger) == []
    ledger.close()


def test_back_to_nothing_and_up_again(empty_url: str) -> None:
    ledger = Ledger(empty_url)
    ledger.migrate()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.altering(ledger.engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(ledger.engine).get_table_names() == ["alembic_version"]
    ledger.migrate()
    assert _differences(ledger) == []
    ledger.close()


def test_two_hosts_that_start_at_once_migrate_one_after_the_other(empty_url: str) -> None:
    start, failures = threading.Barrier(3), []

    def migrate() -> None:
        ledger = Ledger(empty_url)
        start.wait()
        try:
            ledger.migrate()
        except Exception as error:  # noqa: BLE001
            failures.append(error)
        ledger.close()

    hosts = [threading.Thread(target=migrate) for _ in range(3)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join(30)
    assert failures == []
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0009"]
    engine.dispose()


def test_rows_of_the_first_ledger_live_on_and_may_then_be_held(empty_url: str) -> None:
    """SQLite rebuilds the table of series while instances refer to it."""
    ledger = Ledger(empty_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.altering(ledger.engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    with ledger.writing() as connection:
        connection.execute(
            text("INSERT INTO series VALUES ('1.2', '1', 'CT', 'failed', 1, 1, 5, 6, 7, 'e', 'r')")
        )
        connection.execute(
            text(
                "INSERT INTO instance VALUES ('1.2.3', '1.2.840', '1.2', '1', '1.2.840', 'd', 9, 'p', 5,"
                " NULL, NULL, '{}')"
            )
        )
        connection.execute(text("INSERT INTO result VALUES ('2.25', '1', '1.2', 1, 1, 'SR', 'q', 'd', 9, 5)"))
        connection.execute(
            text("INSERT INTO delivery VALUES (1, '2.25', 'PACS', 'dead', 1, 5, NULL, 'refused', 6)")
        )
    ledger.migrate()
    with ledger.writing() as connection:
        assert connection.execute(text("SELECT last_error FROM delivery")).scalars().all() == ["refused"]
        connection.execute(text("UPDATE delivery SET state = 'withdrawn'"))
        row = connection.execute(text("SELECT * FROM series")).one()._mapping
        assert (row["series_instance_uid"], row["state"], row["reason"]) == ("1.2", "failed", "r")
        assert (row["rule"], bool(row["released"])) == (None, False)
        assert connection.execute(text("SELECT series_instance_uid FROM instance")).scalars().all() == ["1.2"]
        connection.execute(text("UPDATE series SET state = 'held'"))
    with ledger.reading() as connection:
        assert connection.execute(text("SELECT state FROM series")).scalars().all() == ["held"]
    ledger.close()


def test_a_migration_that_leaves_a_row_without_its_series_is_undone(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    ledger.migrate()
    with (
        pytest.raises(LedgerDown, match="1 rows refer to nothing, as in volume"),
        database.altering(ledger.engine) as connection,
    ):
        connection.execute(
            text(
                "INSERT INTO volume (series_instance_uid, revision, number, eligible, slices, report)"
                " VALUES ('gone', 1, 1, true, 3, '{}')"
            )
        )
    with ledger.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM volume")).scalar() == 0
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    ledger.close()


def test_there_is_no_way_back_while_instances_are_in_segments(empty_url: str) -> None:
    """Without their column the rows would point at nothing; with plain files alone it is allowed."""
    ledger, config = Ledger(empty_url), Config()
    ledger.migrate()
    config.set_main_option("script_location", str(MIGRATIONS))
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        connection.execute(update(schema.instance).values(segment="a" * 32))
    with (
        pytest.raises(ValueError, match="1 instances are in segments: export them before"),
        database.altering(ledger.engine) as connection,
    ):
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    assert _differences(ledger) == []
    ledger.close()


def test_what_was_delivered_before_is_stored_and_goes_back_as_delivered(empty_url: str) -> None:
    """SQLite rebuilds the table of deliveries: rows of every former state live through it, both ways."""
    ledger, config = Ledger(empty_url), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.altering(ledger.engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
    former = {
        "delivered": "'delivered', 2, 5, NULL, NULL, 6",
        "waiting": "'waiting', 1, 5, 9, 'busy', NULL",
        "dead": "'dead', 1, 5, NULL, 'refused', 6",
        "withdrawn": "'withdrawn', 0, 5, NULL, 'replaced', 6",
    }
    with ledger.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO series (series_instance_uid, study_instance_uid, state, revision, instances,"
                " first_received_at, last_received_at) VALUES ('1.2', '1', 'analysed', 1, 1, 5, 6)"
            )
        )
        connection.execute(
            text("INSERT INTO result VALUES ('2.25', '1', '1.2', 1, 1, 'SR', 'q', 'd', 9, 5, NULL)")
        )
        for number, (name, values) in enumerate(former.items(), 1):
            connection.execute(text(f"INSERT INTO delivery VALUES ({number}, '2.25', '{name}', {values})"))

    def rows() -> list[tuple[Any, ...]]:
        columns = "destination, state, attempts, next_attempt_at, last_error, settled_at"
        with ledger.reading() as connection:
            found = connection.execute(text(f"SELECT {columns} FROM delivery ORDER BY id"))
            return [tuple(row) for row in found]

    before = rows()
    ledger.migrate()
    assert _differences(ledger) == []
    assert rows() == [("delivered", "stored", 2, None, None, 6.0), *before[1:]]
    with ledger.writing() as connection:
        assert connection.execute(text("SELECT held FROM result")).scalars().all() == [None]
        connection.execute(
            text("UPDATE delivery SET state = 'sent', sent_at = 7 WHERE destination = 'waiting'")
        )
        connection.execute(text("UPDATE delivery SET state = 'committed' WHERE destination = 'delivered'"))
    with database.altering(ledger.engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
    assert rows() == before
    ledger.close()


def test_what_arrived_before_its_times_were_kept_has_the_last_of_them(empty_url: str) -> None:
    ledger, config = Ledger(empty_url), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.altering(ledger.engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
    series = "('1.2', '1', 'analysed', 1, 1, 5, 6)"
    columns = "series_instance_uid, study_instance_uid, state, revision, instances, first_received_at"
    with ledger.writing() as connection:
        connection.execute(text(f"INSERT INTO series ({columns}, last_received_at) VALUES {series}"))
        for number, state in enumerate(("stored", "committed", "verified", "withdrawn"), start=1):
            connection.execute(
                text(
                    "INSERT INTO result (sop_instance_uid, sop_class_uid, series_instance_uid, revision,"
                    " volume_number, kind, path, digest, size_bytes, created_at)"
                    f" VALUES ('{number}', '1', '1.2', 1, 1, 'SR', '{number}', 'd', 9, 5)"
                )
            )
            connection.execute(
                text(
                    "INSERT INTO delivery (sop_instance_uid, destination, state, created_at, settled_at,"
                    f" last_error, attempts) VALUES ('{number}', 'PACS', '{state}', 5, {number}, 'e', 1)"
                )
            )
    ledger.migrate()
    columns = "stored_at, committed_at, verified_at"
    with ledger.reading() as connection:
        found = connection.execute(text(f"SELECT {columns} FROM delivery ORDER BY settled_at")).all()
    assert [tuple(row) for row in found] == [
        (1.0, None, None),
        (None, 2.0, None),
        (None, None, 3.0),
        (None, None, None),
    ]
    ledger.close()


def test_accounts_live_through_those_of_a_provider_and_back(empty_url: str) -> None:
    """SQLite rebuilds the table while sessions refer to it; who has no password is gone on the way back."""
    ledger, config = Ledger(empty_url), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.altering(ledger.engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
    with ledger.writing() as connection:
        connection.execute(text("INSERT INTO account VALUES ('eve', 'admin', 'hash', 1, 2)"))
        connection.execute(text("INSERT INTO session VALUES ('d1', 'eve', '10.0.0.1', 3, 4, NULL)"))

    def rows(table: str, columns: str) -> list[tuple[Any, ...]]:
        with ledger.reading() as connection:
            found = connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY 1"))
            return [tuple(row) for row in found]

    ledger.migrate()
    assert _differences(ledger) == []
    assert rows("account", "name, role, password, created_at, changed_at, issuer, subject") == [
        ("eve", "admin", "hash", 1.0, 2.0, None, None)
    ]
    with ledger.writing() as connection:
        connection.execute(
            text("INSERT INTO account VALUES ('oidc:eve', 'viewer', NULL, 1, 2, 'https://a', '7')")
        )
        connection.execute(text("INSERT INTO session VALUES ('d2', 'oidc:eve', '10.0.0.1', 3, 4, NULL)"))
    assert rows("session", "digest, account") == [("d1", "eve"), ("d2", "oidc:eve")]
    with database.altering(ledger.engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0008")
    assert rows("account", "name, role, password, created_at, changed_at") == [
        ("eve", "admin", "hash", 1.0, 2.0)
    ]
    assert rows("session", "digest, account") == [("d1", "eve")]
    ledger.migrate()
    assert _differences(ledger) == []
    ledger.close()


@pytest.mark.parametrize(
    "values",
    [
        "NULL, 1, 2, NULL, NULL",
        "'hash', 1, 2, 'https://a', '7'",
        "NULL, 1, 2, 'https://a', NULL",
        "'hash', 1, 2, NULL, '7'",
    ],
)
def test_an_account_has_a_password_or_a_provider(ledger: Ledger, values: str) -> None:
    with pytest.raises((IntegrityError, LedgerDown)), ledger.writing() as connection:
        connection.execute(text(f"INSERT INTO account VALUES ('eve', 'viewer', {values})"))
