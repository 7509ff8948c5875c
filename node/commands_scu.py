"""The commands of the administrator: `ctnode echo`, `ctnode send`, `ctnode check-config`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from node import addresses, tls
from node.addresses import PeerAddress
from node.config import Config, Node
from node.destinations import destinations
from node.echo import echo as send_echo
from node.options import DEFAULT_CONFIG, ConfigOption, load_or_exit
from node.send import Found, Summary, find
from node.send import send as send_objects
from storage.errors import ConfigError

app = typer.Typer(help="Ask and feed other DICOM nodes.", no_args_is_help=True)

CallingOption = Annotated[
    str | None,
    typer.Option("--calling", help="Calling AE title. Default: node.ae_title, or CTNODE without a file."),
]
TARGET_HELP: Final = "A peer's name in the configuration, or AE@HOST:PORT."


@dataclass(frozen=True, kw_only=True)
class Call:
    """Whom to call, and as whom."""

    called: PeerAddress  # the peer
    calling_ae: str  # what we call ourselves
    own_port: int | None  # the port on which we listen; None without a configuration


@app.command()
def echo(
    target: Annotated[str, typer.Argument(metavar="PEER", help=TARGET_HELP)],
    calling: CallingOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Ask a peer by C-ECHO whether it is there, and say why if it is not."""
    call = _call(target, calling, config)
    answer = send_echo(call.called, calling_ae=call.calling_ae, own_port=call.own_port)
    _say(f"{answer.text} ({answer.seconds * 1000:.0f} ms)", error=not answer.answered)
    raise typer.Exit(0 if answer.answered else 1)


@app.command()
def send(
    path: Annotated[Path, typer.Argument(exists=True, help="A DICOM file, or a folder of them.")],
    to: Annotated[str, typer.Option("--to", metavar="PEER", help=TARGET_HELP)],
    calling: CallingOption = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Associations at the same time.")] = 1,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Send files by C-STORE, as they are. The exit code is 0 when the peer has every one of them."""
    call = _call(to, calling, config)
    found = find(path)
    with _progress() as progress:
        bar = progress.add_task("sending", total=len(found.objects))
        summary = send_objects(
            call.called,
            found.objects,
            calling_ae=call.calling_ae,
            jobs=jobs,
            on_sent=lambda _: progress.advance(bar),
        )
    _report(summary, found)
    raise typer.Exit(0 if found.objects and not found.broken and summary.complete else 1)


@app.command(name="check-config")
def check_config(
    file: Annotated[Path | None, typer.Argument(help="The configuration file; or use --config.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Check the configuration and say what it means. Nothing is started."""
    config = file or config
    loaded = load_or_exit(config)
    node = loaded.node
    _say(f"{config}: valid")
    _say(f"{node.ae_title} listens on {node.host} port {node.port}")
    for peer in loaded.peers:
        roles = [word for word, on in (("sends", peer.may_send), ("gets results", peer.gets_results)) if on]
        hosts = ", ".join(peer.hosts) or "no hosts"
        _say(f"peer {peer.name}: {peer.ae_title}, {hosts}: {' and '.join(roles) or 'only called'}")
    for each in destinations(loaded):
        _say(f"results to {each.name} ({each.way}): {', '.join(each.kinds)}")
    _say(f"files in {loaded.storage.root}, ledger in {loaded.storage.database_shown}")
    try:
        secured = tls.described(loaded.tls, now=time.time())
    except ConfigError as error:
        _say(str(error), error=True)
        raise typer.Exit(1) from error
    if secured:
        _say(secured)


def _call(target: str, calling: str | None, path: Path) -> Call:
    """Whom a command means. The file is read only where something is needed from it."""
    direct = "@" in target
    config = None if direct and path == DEFAULT_CONFIG and not path.exists() else load_or_exit(path)
    try:
        called = PeerAddress.parse(target) if direct else _peer_address(target, config)
        own = config.node if config is not None else Node()
        calling_ae = addresses.ae_title(calling) if calling is not None else own.ae_title
    except ValueError as error:
        _say(str(error), error=True)
        raise typer.Exit(1) from error
    return Call(called=called, calling_ae=calling_ae, own_port=config.node.port if config else None)


def _peer_address(name: str, config: Config | None) -> PeerAddress:
    peer = config.peer(name) if config is not None else None
    if peer is None:
        known = ", ".join(each.name for each in config.peers) if config is not None else ""
        raise ValueError(f"no peer is named {name!r}; there are: {known or 'none'}")
    if peer.address is None:
        raise ValueError(f"peer {name!r} cannot be called: it needs a port and, as first host, a machine")
    return peer.address


def _say(text: str, *, error: bool = False) -> None:
    Console(stderr=error).print(text, soft_wrap=True, markup=False, highlight=False)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _report(summary: Summary, found: Found) -> None:
    table = Table("objects", "status", "what became of them", "the peer's comment")
    for kind, count in sorted(summary.counts.items(), key=lambda item: -item[1]):
        disposition, status, reason = kind
        shown = f"{status:04X}" if status is not None else ""
        table.add_row(str(count), shown, f"{disposition}: {reason}", summary.comment(kind))
    if summary.sent:
        Console().print(table, markup=False)
    if found.skipped:
        _say(f"{found.skipped} files skipped: no DICOM objects")
    if summary.not_sent:
        _say(f"{summary.not_sent} not sent", error=True)
    for line in (*summary.errors, *found.broken):
        _say(line, error=True)
    if not found.objects:
        _say("nothing to send", error=True)
