"""`ctnode users`: the accounts of the web console, from the machine's own command line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from node.config import Config
from node.options import DEFAULT_CONFIG, ConfigOption, JsonOption, load_or_exit
from storage import accounts, events
from storage.errors import ConfigError, Refused
from storage.ledger import Ledger
from storage.records import Event
from storage.states import Role

users_app: Final = typer.Typer(no_args_is_help=True)
screen: Final = Console(markup=False, highlight=False)

NameArgument = Annotated[str, typer.Argument(help="The account's name.")]
RoleOption = Annotated[Role, typer.Option("--role", help="What it may do.")]


@users_app.command("add")
def add(name: NameArgument, role: RoleOption = Role.VIEWER, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Add an account of the web console. The password is asked for, or read from standard input."""
    name = accounts.checked_name(name)
    kept = _new_password(name)
    with _changing(load_or_exit(config), f"added account {name} as {role}") as connection:
        accounts.add(connection, name=name, role=role, password=kept, now=time.time())
    screen.print(f"{name} may log in as {role}")


@users_app.command("list")
def list_accounts(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Who may log in to the web console, and as what."""
    ledger = _ledger(load_or_exit(config))
    with ledger.reading() as connection:
        found = accounts.listed(connection)
    ledger.close()
    if as_json:
        screen.print_json(
            json.dumps([{"name": a.name, "role": a.role, "changed_at": a.changed_at} for a in found])
        )
        return
    table = Table("name", "role", "changed", box=None, pad_edge=False)
    for account in found:
        changed = datetime.fromtimestamp(account.changed_at, UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(account.name, account.role, changed)
    screen.print(table if found else "nobody may log in yet")


@users_app.command("role")
def change_role(name: NameArgument, role: RoleOption, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Give an account another role, from its next click on."""
    with _changing(load_or_exit(config), f"made account {name} {role}") as connection:
        accounts.set_role(connection, name, role, time.time())
    screen.print(f"{name} is {role} now")


@users_app.command("password")
def change_password(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Give an account another password, asked for or read from standard input, and end its sessions."""
    kept = _new_password(name)
    with _changing(load_or_exit(config), f"set the password of account {name}") as connection:
        accounts.set_password(connection, name, kept, time.time())
    screen.print(f"{name} has another password; its sessions ended")


@users_app.command("remove")
def remove(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Remove an account and end its sessions."""
    with _changing(load_or_exit(config), f"removed account {name}") as connection:
        accounts.remove(connection, name)
    screen.print(f"{name} may not log in any more")


def _new_password(account: str) -> str:
    """Its hash. Never an argument: other users of the machine could read it."""
    from node.console import passwords  # argon2 is loaded for who changes one

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    return passwords.hashed(password, account=account)


@contextmanager
def _changing(config: Config, what: str) -> Iterator[Connection]:
    """One transaction, with an event that says what was done; where it is refused, exit code 1."""
    ledger = _ledger(config)
    try:
        with ledger.writing() as connection:
            yield connection
            events.tell(
                connection, Event(at=time.time(), kind="console", subject="command line", detail=what)
            )
    except Refused as error:
        screen.print(str(error), style="red")
        raise typer.Exit(1) from error
    finally:
        ledger.close()


def _ledger(config: Config) -> Ledger:
    if config.storage.database is None and not config.storage.root.is_dir():
        raise ConfigError(f"no node has run here yet: {config.storage.root} does not exist")
    ledger = Ledger(config.storage.database_url)
    ledger.migrate()
    return ledger
