"""Destinations that are no application entities: a DICOMweb service, a folder."""

from __future__ import annotations

import os
import shutil
import time

import httpx

from node.destinations import Destination, FolderAddress, WebAddress
from node.doctor.findings import Finding, Outcome
from node.intake import MEGABYTE
from node.stow import TABLE
from node.web import web_client
from storage.errors import PeerRefused

TAKEN = frozenset({200, 204})


def service(destination: Destination, way: WebAddress) -> list[Finding]:
    """One question by QIDO-RS for at most one study: address, TLS and credentials. Nothing is stored."""
    begin = time.perf_counter()
    try:
        with web_client(way) as client:
            status = client.get(
                f"{way}/studies", params={"limit": 1}, headers={"Accept": "application/dicom+json"}
            ).status_code
    except (PeerRefused, httpx.HTTPError) as error:
        why = str(error) or type(error).__name__
        return [_finding(destination, "answers", Outcome.FAILED, f"{way}: {why}")]
    took_ms = (time.perf_counter() - begin) * 1000
    if status in TAKEN:
        return [_finding(destination, "answers", Outcome.OK, f"{way} answers QIDO-RS ({took_ms:.0f} ms)")]
    words = next((words for first, last, _, words in TABLE if first <= status <= last), "")
    measured = f"{way} {words} (HTTP {status} to QIDO-RS)"
    return [_finding(destination, "answers", Outcome.FAILED, measured)]


def folder(destination: Destination, way: FolderAddress) -> list[Finding]:
    """Whether it is there, may be written, and has room."""
    if not way.folder.is_dir():
        words = f"{way} is not there: is it mounted?"
        return [_finding(destination, "folder", Outcome.FAILED, words)]
    if not os.access(way.folder, os.W_OK | os.X_OK):
        return [_finding(destination, "folder", Outcome.FAILED, f"{way} may not be written by this user")]
    free_mb = shutil.disk_usage(way.folder).free // MEGABYTE
    return [_finding(destination, "folder", Outcome.OK, f"{way} may be written; {free_mb} MB free")]


def _finding(destination: Destination, check: str, outcome: Outcome, measured: str) -> Finding:
    return Finding(about=destination.name, check=check, outcome=outcome, measured=measured)
