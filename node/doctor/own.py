"""Ourselves: configuration, listening ports, TLS, database."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from pathlib import Path
from typing import Final

from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from node.config import Config, Tls
from node.doctor.findings import Finding, Outcome
from node.tls import EXPIRES_SOON_S, client_context, server_side
from node.tls_files import expires_in_s
from storage import migrations, schema
from storage.errors import ConfigError, LedgerDown
from storage.ledger import Ledger

CONNECT_S: Final = 5.0
DAY_S: Final = 86_400.0
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def configuration(path: Path, error: ConfigError | None) -> list[Finding]:
    """What is wrong with the file; each problem has its line."""
    if error is None:
        return [Finding(check="configuration", outcome=Outcome.OK, measured=f"{path} is valid")]
    lines = str(error).splitlines()
    return [Finding(check="configuration", outcome=Outcome.FAILED, measured=line) for line in lines]


def ports(config: Config) -> list[Finding]:
    """Whether somebody listens where we should."""
    wanted = {"port": config.node.port} | ({"TLS port": config.tls.port} if config.tls.port else {})
    return [_port(config, check, port) for check, port in wanted.items()]


def _port(config: Config, check: str, port: int) -> Finding:
    host = EVERYWHERE.get(config.node.host, config.node.host)
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError as error:
        why = f"nothing listens on {host} port {port} ({error.strerror or error}): the node does not run"
        return Finding(check=check, outcome=Outcome.FAILED, measured=f"{why}{_free(config.node.host, port)}")
    return Finding(check=check, outcome=Outcome.OK, measured=f"{host} port {port} takes connections")


def _free(host: str, port: int) -> str:
    """Whether it could: a port below 1024 needs a privilege, an address may not be ours."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family, kind)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return f", and could not have the port: {error.strerror or error}"
    return "; `ctnode serve` starts it"


def tls(section: Tls, now: float) -> list[Finding]:
    """Whether the files fit together, who vouches for our certificate, and until when."""
    if section.authorities is None:
        return [Finding(check="TLS", outcome=Outcome.NOT_CHECKED, measured="tls is not configured")]
    try:
        if section.certificate is None:
            return [
                Finding(
                    check="TLS", outcome=Outcome.OK, measured="peers are called without a certificate of ours"
                )
            ]
        server_side(section)
        left_s = expires_in_s(section, now=now)
        return [_expiry(left_s), _vouched_for(section)]
    except ConfigError as error:
        return [Finding(check="TLS files", outcome=Outcome.FAILED, measured=str(error))]


def _expiry(left_s: float | None) -> Finding:
    days = (left_s or 0.0) / DAY_S
    if days < 0:
        return Finding(
            check="certificate", outcome=Outcome.FAILED, measured=f"ours ended {-days:.0f} days ago: renew it"
        )
    soon = (left_s or 0.0) < EXPIRES_SOON_S
    outcome = Outcome.WARNING if soon else Outcome.OK
    return Finding(
        check="certificate", outcome=outcome, measured=f"ours ends in {days:.0f} days; its key fits"
    )


def _vouched_for(section: Tls) -> Finding:
    """A handshake with ourselves, in memory: what a peer that trusts tls.authorities would see."""
    secured = section.secured("")
    assert secured is not None  # there are authorities
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side(section).wrap_bio(to_server, to_client, server_side=True)
    client = client_context(secured).wrap_bio(to_client, to_server)
    for _ in range(4):  # messages go to and fro at most twice in TLS 1.2 and 1.3
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                why = f"nobody in tls.authorities vouches for our certificate ({error.verify_message})"
                return Finding(check="certificate chain", outcome=Outcome.WARNING, measured=why)
            except ssl.SSLError as error:
                why = f"TLS with ourselves fails ({error.reason})"
                return Finding(check="certificate chain", outcome=Outcome.FAILED, measured=why)
    said = "tls.authorities vouch for our certificate"
    return Finding(check="certificate chain", outcome=Outcome.OK, measured=said)


def database(config: Config) -> tuple[Finding, Ledger | None]:
    """Whether the ledger answers and is as new as this version; the ledger, where it can be asked."""
    shown = config.storage.database_shown
    if config.storage.database is None and not (config.storage.root / "ledger.sqlite").is_file():
        why = f"{shown} does not exist: no node has run here yet"
        return Finding(check="database", outcome=Outcome.NOT_CHECKED, measured=why), None
    ledger = Ledger(config.storage.database_url)
    try:
        with ledger.reading() as connection:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (LedgerDown, SQLAlchemyError) as error:
        ledger.close()
        why = str(error) if isinstance(error, LedgerDown) else "it is no ledger of ours"
        return Finding(check="database", outcome=Outcome.FAILED, measured=f"{shown}: {why}"), None
    head = newest_version()
    if found != head:
        ledger.close()
        why = f"{shown} has version {found}, and this is {head}: it is brought up at the next start"
        return Finding(check="database", outcome=Outcome.WARNING, measured=why), None
    measured = f"{shown} answers; version {found}"
    return Finding(check="database", outcome=Outcome.OK, measured=measured), ledger


def newest_version() -> str | None:
    """Of the ledger's tables."""
    alembic = AlembicConfig()
    alembic.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return ScriptDirectory.from_config(alembic).get_current_head()


def newest_entry(ledger: Ledger) -> float | None:
    """When the newest association or event was, POSIX seconds; None without one."""
    with ledger.reading() as connection:
        found = [
            connection.execute(select(func.max(column))).scalar()
            for column in (schema.association.c.opened_at, schema.event.c.at)
        ]
    return max((float(each) for each in found if each is not None), default=None)
