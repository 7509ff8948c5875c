"""A prediction server for tests, on a port of this machine; its models find the same in every volume."""

from __future__ import annotations

import os
import signal
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from inference.findings import Findings
from inference.series import ReadVolume
from inference.workbench.prediction.server import prepared
from inference.workbench.prediction.settings import PredictionSettings
from inference.workbench.prediction.worker import LoadAnalyser
from inference.workbench.volume_reports import Analyser
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import save, stack_of, uid
from tests.waiting import eventually

TOKEN = "a-token-of-forty-three-characters-0123456789"
T = TypeVar("T")

PATIENCE_S = 300.0
"""A worker process loads a lot; a machine may be busy."""

GO = "go"
"""A file beside the spool: while it is not there, the series "slow" is not done."""


def models(settings: PredictionSettings) -> Analyser:
    """Finds the same in every volume; some series are trouble."""

    def analyse(read: ReadVolume) -> Findings:
        name = read.volume.series_instance_uid
        if name == uid("killer"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name == uid("stuck"):
            signal.pause()
        if name == uid("bug"):
            raise KeyError("Doe^Jane")
        if name == uid("slow"):
            eventually((settings.spool.parent / GO).exists, PATIENCE_S, "the test to say go")
        return findings_of(read)

    return analyse


def broken(settings: PredictionSettings) -> Analyser:
    """Cannot be loaded."""
    os._exit(7)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server that runs."""

    address: str  # as it is printed, with the token
    spool: Path
    settings: PredictionSettings

    @property
    def base(self) -> str:
        return self.address.partition("/?")[0]

    @property
    def own_folder(self) -> Path:
        (folder,) = self.spool.glob("server-*")
        return folder

    def uploads(self) -> list[Path]:
        """What lies in the folder of the server, besides its lock."""
        return sorted(p for p in self.own_folder.rglob("*") if p.name != ".lock")

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """As a program does: with the token in the header."""
        headers = {"Authorization": f"Bearer {TOKEN}"} | request.pop("headers", {})
        return httpx.request(method, self.base + path, headers=headers, timeout=PATIENCE_S, **request)

    def predict(self, **request: Any) -> httpx.Response:
        return self.ask("POST", "/predictions", **request)

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        """With the cookie of a first visit."""
        with httpx.Client(base_url=self.base, follow_redirects=True, timeout=PATIENCE_S) as client:
            client.get(self.address)
            client.headers["Origin"] = self.base
            yield client


@contextmanager
def serving(folder: Path, load: LoadAnalyser = models, **settings: Any) -> Iterator[Served]:
    """A server whose spool is below a folder."""
    told = PredictionSettings(token=TOKEN, spool=folder / "spool", **({"port": 0} | settings))
    with prepared(told, load) as (address, run, stop):
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield Served(address=address, spool=told.spool, settings=told)
        finally:
            stop()
            thread.join(20)


def soon(condition: Callable[[], T], what: str = "") -> T:
    """As `eventually`, for what waits for another process."""
    return eventually(condition, PATIENCE_S, what)


def zipped(path: Path, entries: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return path


def series(folder: Path, name: str = "series", count: int = 6, **attributes: Any) -> list[Path]:
    return save(stack_of(count, name=name, **attributes), folder / name)


def packed(folder: Path, name: str = "series", **attributes: Any) -> bytes:
    """A zip archive of a series."""
    entries = {f"DICOM/{p.name}": p.read_bytes() for p in series(folder, name, **attributes)}
    return zipped(folder / f"{name}.zip", entries).read_bytes()


def as_form(paths: list[Path]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (p.name, p.read_bytes())) for p in paths]
