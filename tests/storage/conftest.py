"""The tests run on SQLite and on a private PostgreSQL cluster, each test on rows of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from storage import workflows
from storage.ledger import Ledger
from storage.schema import metadata

POSTGRES_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
AS_POSTGRES = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
SETTINGS = "-c fsync=off -c full_page_writes=off -c max_connections=60 -c shared_buffers=32MB"
"""Nothing pulls this server's plug; the tests need it fast."""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _run(*command: str | Path) -> None:
    subprocess.run([*AS_POSTGRES, *map(str, command)], check=True, capture_output=True, cwd="/", timeout=60)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a running server, without a database name."""
    if not POSTGRES_BINARIES:
        pytest.skip("PostgreSQL is not installed (no /usr/lib/postgresql/*/bin/initdb)")
    binaries = POSTGRES_BINARIES[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="ledger-postgres-"))  # pytest's own are closed to other users
    if AS_POSTGRES:
        shutil.chown(folder, "postgres")
    data, port = folder / "data", _free_port()
    _run(binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"{SETTINGS} -c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder}"
    _run(binaries / "pg_ctl", "start", "-w", "-D", data, "-l", folder / "log", "-o", options)
    yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
    _run(binaries / "pg_ctl", "stop", "-m", "immediate", "-D", data)
    shutil.rmtree(folder)


def _create_database(postgres: str, *, template: str = "template1") -> str:
    name = f"ledger_{uuid.uuid4().hex}"
    server = create_engine(f"{postgres}/postgres", isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    server.dispose()
    return name


def _prepare(url: str) -> None:
    ledger = Ledger(url)
    ledger.migrate()
    workflows.prepare(ledger)
    ledger.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    file = tmp_path_factory.mktemp("template") / "ledger.db"
    _prepare(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """The name of a migrated PostgreSQL database to copy."""
    name = _create_database(postgres)
    _prepare(f"{postgres}/{name}")
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, on each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server = request.getfixturevalue("postgres")
    return f"{server}/{_create_database(server)}"


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite database."""
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def postgres_url(postgres: str, postgres_template: str) -> str:
    """The URL of a migrated PostgreSQL database."""
    return f"{postgres}/{_create_database(postgres, template=postgres_template)}"


@pytest.fixture(scope="session")
def shared_postgres_url(postgres: str, postgres_template: str) -> str:
    """The URL of a migrated PostgreSQL database whose ledger is emptied before each test."""
    return f"{postgres}/{_create_database(postgres, template=postgres_template)}"


@pytest.fixture
def emptied_postgres_url(shared_postgres_url: str) -> str:
    """A ledger without rows: much faster than a new database."""
    emptied = Ledger(shared_postgres_url)
    with emptied.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    emptied.close()
    return shared_postgres_url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database, on each kind of database."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "emptied_postgres_url"}[request.param]
    return str(request.getfixturevalue(fixture))


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """A ledger on each kind of database."""
    opened = Ledger(url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_ledger(sqlite_url: str) -> Iterator[Ledger]:
    """A ledger on SQLite."""
    opened = Ledger(sqlite_url)
    yield opened
    opened.close()
