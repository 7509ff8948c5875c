"""`ctnode peers`: the application entities we know, and changes of them in config.yaml."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from node.config import Config, Peer
from node.config_file import ConfigFile
from node.destinations import destination
from node.doctor import reach, services
from node.doctor.examination import PATIENCE
from node.doctor.findings import Finding, Outcome, failed, findings_json
from node.doctor.view import findings_view
from node.options import DEFAULT_CONFIG, ConfigOption, JsonOption, load_or_exit
from storage import logs
from storage.ledger import Ledger

peers_app: Final = typer.Typer(no_args_is_help=True)
screen: Final = Console(markup=False, highlight=False)

UNKNOWN: Final = 2
"""The exit code where no peer has the name."""
TAKEN_OVER: Final = "a running node takes that over within seconds"
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Our name of the peer.")]


@peers_app.command("list")
def list_peers(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Who may call us, who gets results, and where each is called."""
    peers = load_or_exit(config).peers
    if as_json:
        screen.print_json(json.dumps([peer.model_dump(mode="json") for peer in peers]))
        return
    table = Table("name", "AE title", "calls from", "is called at", "may", box=None, pad_edge=False)
    for peer in peers:
        port = "" if peer.address is None else f"port {peer.port}"
        table.add_row(peer.name, peer.ae_title, ", ".join(peer.hosts), port, _may(peer))
    screen.print(table if peers else "no peer is configured: everybody is refused")


@peers_app.command("add")
def add(
    name: NameArgument,
    ae_title: Annotated[str, typer.Option(help="Its AE title, case-sensitive.")],
    host: Annotated[
        list[str] | None,
        typer.Option(help="Where it calls from: address, network or DNS name. May be given again."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Its DICOM port; its first host is called there.")
    ] = None,
    may_send: Annotated[bool, typer.Option("--may-send", help="It may send to us.")] = False,
    gets_results: Annotated[bool, typer.Option("--gets-results", help="Results are sent to it.")] = False,
    own_results: Annotated[
        bool, typer.Option("--own-results", help="Results of the series that it sent itself, and no others.")
    ] = False,
    results: Annotated[str, typer.Option(metavar="KINDS", help="Which objects it gets, as sr,seg,sc.")] = "",
    query_for: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A peer whose series it can count.")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="By TLS, both ways.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write a peer into the configuration. What is not valid is refused, and the file stays as it was."""
    keys = {
        "name": name,
        "ae_title": ae_title,
        "may_send": may_send,
        "gets_results": "own" if own_results else gets_results,
        "hosts": host or [],
        "port": port,
        "results": results.split(",") if results else [],
        "query_for": query_for or [],
        "tls": tls,
    }
    ConfigFile(path=config).add_peer(_given(keys))
    screen.print(f"peer {name} is in {config}; {TAKEN_OVER}")


@peers_app.command("remove")
def remove(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Take a peer out of the configuration. From then on it is refused; associations that are open go on."""
    _known(load_or_exit(config), name)
    ConfigFile(path=config).remove_peer(name)
    screen.print(f"peer {name} is no longer in {config}; {TAKEN_OVER}")


@peers_app.command("test")
def test(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Does a peer answer us, what does it accept, when did it last call us? Exit code 1: something failed."""
    logs.configure("peers")
    loaded = load_or_exit(config)
    findings = _tested(loaded, _known(loaded, name))
    if as_json:
        screen.print_json(json.dumps(findings_json(findings)))
    else:
        screen.print(findings_view(findings))
    raise typer.Exit(1 if failed(findings) else 0)


def _tested(config: Config, peer: Peer) -> list[Finding]:
    ledger = _ledger(config)
    try:
        return [*_outward(config, peer), reach.inward(config, peer, ledger, time.time())]
    finally:
        if ledger is not None:
            ledger.close()


def _outward(config: Config, peer: Peer) -> list[Finding]:
    if peer.address is None:
        why = "it is not called: it has no port, or its first host is a network"
        return [Finding(about=peer.name, check="C-ECHO", outcome=Outcome.NOT_CHECKED, measured=why)]
    found = reach.outward(config, peer, peer.address, PATIENCE)
    wanted = destination(config, peer.name)
    if wanted is None or found[0].outcome is Outcome.FAILED:
        return found
    return found + services.offered(config, wanted, peer.address, PATIENCE)


def _ledger(config: Config) -> Ledger | None:
    """None where no node has run here: a question must not create one."""
    if config.storage.database is None and not config.storage.root.is_dir():
        return None
    ledger = Ledger(config.storage.database_url)
    ledger.migrate()
    return ledger


def _known(config: Config, name: str) -> Peer:
    peer = config.peer(name)
    if peer is None:
        known = ", ".join(each.name for each in config.peers) or "none"
        screen.print(f"no peer is named {name!r}; there are: {known}", style="red")
        raise typer.Exit(UNKNOWN)
    return peer


def _given(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value not in (None, False, [], "")}


def _may(peer: Peer) -> str:
    results = "get its own results" if peer.gets_results == "own" else "get results"
    words = [word for word, may in (("send", peer.may_send), (results, peer.gets_results)) if may]
    return ", ".join([*words, *(["TLS"] if peer.tls else [])])
