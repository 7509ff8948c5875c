"""`ctnode demo`: node, small PACS and a simulated CT on this machine; prints the SR that came back."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import pydicom
import typer
from rich.console import Console

from node.addresses import PeerAddress
from node.echo import echo
from node.small_pacs import SmallPacs
from node.sr_text import sr_text
from storage.bars import bar

app: Final = typer.Typer()
console: Final = Console()
START_S: Final = 60.0
ANSWER_S: Final = 240.0
SR_SOP_CLASS: Final = "1.2.840.10008.5.1.4.1.1.88.34"

CONFIG: Final = """\
# Written by `ctnode demo`.
node: {{ae_title: CTNODE, host: 127.0.0.1, port: {node_port}, console_port: {console_port}}}
peers:
  - {{name: scanner, ae_title: SCANNER, may_send: true, hosts: [127.0.0.1]}}
  - {{name: pacs, ae_title: SMALLPACS, gets_results: true, hosts: [127.0.0.1], port: {pacs_port}}}
assembly: {{quiet_s: 2, long_quiet_s: 4}}
storage: {{root: ./data, reserve_mb: 200}}
"""


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where the demo keeps its files; emptied first.")],
) -> None:
    """Show the whole way: simulate a CT, send it to a node, get SR and SEG back, print the SR."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    node_port, console_port, pacs_port = _free_ports(3)
    config = folder / "config.yaml"
    ports = {"node_port": node_port, "console_port": console_port, "pacs_port": pacs_port}
    config.write_text(CONFIG.format(**ports))
    pacs = SmallPacs(folder / "pacs", ae_title="SMALLPACS", port=pacs_port)
    with (folder / "node.log").open("wb") as log:
        node = subprocess.Popen(_ctnode("serve", "--config", str(config)), stderr=log)
        try:
            _show(folder, f"CTNODE@127.0.0.1:{node_port}", pacs)
        finally:
            node.send_signal(signal.SIGTERM)
            node.wait()
            pacs.close()


def _show(folder: Path, address: str, pacs: SmallPacs) -> None:
    called = PeerAddress.parse(address)
    _wait(lambda: echo(called, calling_ae="SCANNER", own_port=None).answered, START_S, "the node to listen")
    console.print(f"The node listens: {address}")
    ct = folder / "ct"
    subprocess.run(_ctnode("simulate", str(ct), "--region", "trunk", "--matrix", "256"), check=True)
    subprocess.run(_ctnode("send", str(ct), "--to", address, "--calling", "SCANNER"), check=True)
    console.print("Sent. Waiting for the answer ...")
    _wait(lambda: any(pacs.folder.glob("*.dcm")) and _all_delivered(folder), ANSWER_S, "the results")
    for file in sorted(pacs.folder.glob("*.dcm")):
        report = pydicom.dcmread(file)
        console.print(f"The PACS got {report.SOPClassUID.name}: {file}")
        if report.SOPClassUID == SR_SOP_CLASS:
            console.print(sr_text(report), markup=False, highlight=False, soft_wrap=True)


def _all_delivered(folder: Path) -> bool:
    command = _ctnode("queue", "list", "--json", "--config", str(folder / "config.yaml"))
    answer = subprocess.run(command, capture_output=True, check=True)
    owed: list[object] = json.loads(answer.stdout)
    return not owed


def _ctnode(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "node", *arguments]


def _wait(condition: Callable[[], bool], patience_s: float, what: str) -> None:
    deadline = time.monotonic() + patience_s
    with bar(f"waiting for {what}", total=None):
        while not condition():
            if time.monotonic() > deadline:
                console.print(f"Gave up waiting for {what}; see node.log", style="red")
                raise typer.Exit(1)
            time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
