"""A Debian Orthanc as PACS: started on free ports, asked by its REST interface."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.ports import free_port
from tests.waiting import eventually

AE_TITLE = "ORTHANC"
PROGRAM = shutil.which("Orthanc")


@dataclass(kw_only=True)
class Pacs:
    """One Orthanc; it keeps its ports and its storage when it is stopped and started again."""

    folder: Path
    dicom_port: int
    http_port: int
    process: subprocess.Popen[bytes] | None = None
    settings: dict[str, Any] = field(default_factory=dict)  # over those of `_configuration`

    def start(self) -> None:
        assert PROGRAM is not None
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps(self._configuration()))
        with (self.folder / "orthanc.log").open("ab") as log:
            self.process = subprocess.Popen([PROGRAM, str(config)], stdout=log, stderr=log)
        eventually(lambda: self._answers(), timeout_s=60, what="Orthanc to answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def _configuration(self) -> dict[str, Any]:
        return {
            "Name": "PACS",
            "DicomAet": AE_TITLE,
            "DicomPort": self.dicom_port,
            "HttpPort": self.http_port,
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "AuthenticationEnabled": False,
            "RemoteAccessAllowed": False,
            "DicomCheckCalledAet": True,
            "OverwriteInstances": False,
            "Plugins": [],
            **self.settings,
        }

    def _answers(self) -> bool:
        try:
            self.get("/system")
        except OSError:
            return False
        return True

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as response:
            return json.loads(response.read())

    def put(self, path: str, value: Any) -> None:
        self._send("PUT", path, value)

    def post(self, path: str, value: Any) -> Any:
        return json.loads(self._send("POST", path, value))

    def _send(self, method: str, path: str, value: Any) -> bytes:
        url = f"http://127.0.0.1:{self.http_port}{path}"
        request = urllib.request.Request(url, data=json.dumps(value).encode(), method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            content: bytes = response.read()
        return content

    def file(self, instance: str) -> bytes:
        """The DICOM file of an instance, by Orthanc's identifier."""
        url = f"http://127.0.0.1:{self.http_port}/instances/{instance}/file"
        with urllib.request.urlopen(url, timeout=30) as response:
            content: bytes = response.read()
        return content

    def modalities(self) -> list[str]:
        """The modality of every series, sorted."""
        return sorted(self.get(f"/series/{id}")["MainDicomTags"]["Modality"] for id in self.get("/series"))

    def instances(self, modality: str) -> list[str]:
        """Orthanc's identifiers of all instances of a modality."""
        series = [self.get(f"/series/{id}") for id in self.get("/series")]
        return [
            instance
            for one in series
            if one["MainDicomTags"]["Modality"] == modality
            for instance in one["Instances"]
        ]


@contextmanager
def running_pacs(folder: Path, *, started: bool = True) -> Iterator[Pacs]:
    """An Orthanc in a folder of its own; stopped in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    pacs = Pacs(folder=folder, dicom_port=free_port(), http_port=free_port())
    if started:
        pacs.start()
    try:
        yield pacs
    finally:
        pacs.stop()
