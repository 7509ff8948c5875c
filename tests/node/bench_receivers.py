"""Receivers that the benchmarks' tests hold ours against."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from node.bench.receivers import Receiver, installed
from tests.dcmtk import find

FORGETFUL = """
import sys
from pynetdicom import AE, AllStoragePresentationContexts, evt
ae = AE(ae_title="BENCH")
ae.supported_contexts = AllStoragePresentationContexts
ae.add_supported_context("1.2.840.10008.1.1")
ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=[(evt.EVT_C_STORE, lambda event: {status})])
"""


def storescp() -> Receiver:
    if find("storescp") is None:
        pytest.skip("DCMTK is not installed: storescp")
    return next(each for each in installed() if each.name == "storescp_fork")


def forgetful(status: int) -> Receiver:
    """Says the status to every instance, and keeps none."""

    def command(folder: Path, port: int) -> list[str]:
        return [sys.executable, "-c", FORGETFUL.format(status=status), str(port)]

    return Receiver(name="forgetful", program=sys.executable, syncs=False, command=command)
