"""The command `ctnode predict serve`."""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer

from inference.workbench.options import DeviceOption, tell
from storage import logs
from storage.errors import ConfigError

TOKEN_BYTES: Final = 32

app: Final = typer.Typer(no_args_is_help=True)
predict_app: Final = typer.Typer(no_args_is_help=True)
app.add_typer(predict_app, name="predict", help="Findings by HTTP and on a web page, on your own machine.")


@predict_app.callback()
def _group() -> None:
    """Findings by HTTP and on a web page, on your own machine. Not for diagnosis."""


@predict_app.command("serve")
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any that is free.")] = 8090,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None, typer.Option(help="Host name by which others call it; may be given again.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="PEM, for HTTPS; with --key.")
    ] = None,
    key: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="PEM.")] = None,
    most_mb: Annotated[int, typer.Option(min=1, help="Of one request; more is answered 413.")] = 2000,
    waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait; more are answered 503.")] = 4,
    limit_s: Annotated[
        float, typer.Option(min=1, help="An analysis that takes longer is given up.")
    ] = 1800.0,
    spool: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, metavar="DIR", help="Where uploads lie meanwhile; below /tmp if not given."
        ),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Take DICOM, zip and NIfTI by HTTP, answer with findings; with a web page. Not for diagnosis.

    For one person on one machine: whoever has the token that is printed may use it. Files are removed when
    they are analysed; results are kept in memory until the end.
    """
    from inference.workbench.prediction.server import Tls, is_loopback, prepared
    from inference.workbench.prediction.settings import PredictionSettings

    if (certificate is None) != (key is None):
        raise ConfigError("--certificate and --key go together")
    logs.configure("prediction")
    settings = PredictionSettings(
        token=secrets.token_urlsafe(TOKEN_BYTES),
        spool=spool or Path(tempfile.gettempdir()) / f"ctnode-predict-{os.getuid()}",
        host=host,
        port=port,
        names=tuple(name or ()),
        upload_limit_mb=most_mb,
        unpacked_limit_mb=4 * most_mb,
        waiting_limit=waiting,
        limit_s=limit_s,
        device=device,
    )
    tls = Tls(certificate=certificate, key=key) if certificate is not None and key is not None else None
    with prepared(settings, tls=tls) as (address, run, _):
        if tls is None and not is_loopback(host):
            tell("other machines can reach this: token and images travel unencrypted without --certificate")
        tell("Not for diagnosis; research software. Open this address; Ctrl-C ends it.")
        typer.echo(address)
        signal.signal(signal.SIGTERM, _stop)  # what uvicorn sends on when it has ended, as it does SIGINT
        with suppress(KeyboardInterrupt):
            run()


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
