"""Nothing of a patient in logs, metrics, audit, events, names of files and processes, whatever comes.

Everything that a modality, a PACS or a browser can write holds one marker: in its place, in the wrong place,
in values that are no values. A whole node takes it, to the report at the PACS; then the marker is looked for.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import evt

from node.audit.parts import parts
from storage import events, listing
from storage.states import SeriesState
from tests.e2e.patient_markers import (
    BORN,
    FIND,
    MARKER,
    PATIENT,
    SEG,
    SETTLED_S,
    SR,
    STRANGER,
    Node,
    configuration,
    pacs_handlers,
    says_no,
    send_hostile,
    send_wrong,
    sent,
    simulated,
    tell_steps,
)
from tests.e2e.ports import free_port
from tests.node.audit_schema import checked
from tests.node.receiving import associated, request
from tests.node.scu_peers import scp
from tests.waiting import eventually


@dataclass(kw_only=True)
class Seen:
    """Everything that a node leaves where others than its users may look."""

    node: Node
    reports: list[Dataset]  # at the PACS
    texts: dict[str, str]  # where -> what stands there


def is_settled(node: Node) -> bool:
    with node.ledger() as connection:
        states = listing.count_by_state(connection)
        told = {event.kind for event in events.recent(connection, 1000)}
    busy = states.get(SeriesState.RECEIVING, 0) + states.get(SeriesState.QUEUED, 0)
    return not busy and states.get(SeriesState.ANALYSED, 0) > 0 and "dead letter" in told


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("patient-data")
    came: list[Dataset] = []
    contexts = [(uid, [str(ExplicitVRLittleEndian)]) for uid in (SR, SEG, FIND)]
    later = [(evt.EVT_C_STORE, lambda _event: says_no(0xA700, f"no room for {MARKER}NAME"))]
    with ExitStack() as stack:
        pacs = stack.enter_context(scp(contexts, pacs_handlers(came)))
        archive = stack.enter_context(scp(contexts, later))
        node = Node(folder=folder, port=free_port(), console_port=free_port())
        text = configuration(node.port, node.console_port, pacs.port, archive.port)
        (folder / "config.yaml").write_text(text)
        stack.callback(node.stop)
        node.start()
        everything(node, simulated(folder / "ct"))
        eventually(lambda: is_settled(node), timeout_s=SETTLED_S, what="every series to be settled")
        eventually(lambda: came, timeout_s=SETTLED_S, what="the report to arrive")
        eventually(lambda: audited(node), timeout_s=60, what="everything to be audited")
        yield Seen(node=node, reports=came, texts=gathered(node))


def everything(node: Node, files: list[Path]) -> None:
    assert request(node.port, calling=STRANGER).is_rejected
    with associated(node.port) as association:
        for file in files:
            ds = pydicom.dcmread(file)
            assert sent(association, ds) == 0x0000
    send_wrong(node.port)
    send_hostile(node.port)
    tell_steps(node.port)
    for path in (f"/series/{MARKER}", f"/?patient={MARKER}", f"/{MARKER}/../{MARKER}", "/metrics"):
        node.get(path)


def audited(node: Node) -> bool:
    text = "".join(part.path.read_text() for part in parts(node.root / "audit.log"))
    return "110104" in text and STRANGER in text


def gathered(node: Node) -> dict[str, str]:
    with node.ledger() as connection:
        told = "\n".join(f"{e.kind} {e.subject} {e.detail}" for e in events.recent(connection, 10_000))
    names = [name for _, folders, files in os.walk(node.root) for name in (*folders, *files)]
    return {
        "log": (node.folder / "node.log").read_text(),
        "metrics": node.get("/metrics"),
        "health": node.get("/healthz") + node.get("/readyz"),
        "events": told,
        "status": node.says("status") + node.says("status", "--json"),
        "audit": "".join(part.path.read_text() for part in parts(node.root / "audit.log")),
        "audit show": node.says("audit", "show", "--last", "1000"),
        "file names": "\n".join(names),
        "processes": "\n".join(shown(pid) for pid in node.pids()),
        "running configuration": (node.root / "running-config.json").read_text(),
        "store list": node.says("store", "list", "--json"),
    }


def shown(pid: int) -> str:
    """What any user of the machine sees of a process, and its environment."""
    folder = Path("/proc") / str(pid)
    words = [folder / "cmdline", folder / "environ", folder / "comm", *folder.glob("task/*/comm")]
    return "\n".join(file.read_bytes().decode(errors="replace") for file in words)


PLACES: Final = (
    "log", "metrics", "health", "events", "status", "audit", "audit show", "file names", "processes",
    "running configuration", "store list",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_no_marker_is(seen: Seen, place: str) -> None:
    text = seen.texts[place]
    assert text
    found = [line for line in text.splitlines() if MARKER.lower() in line.lower()]
    assert found == []
    assert [line for line in text.splitlines() if re.search(rf"(?<!\d){BORN}(?!\d)", line)] == []


def test_no_other_place_was_gathered(seen: Seen) -> None:
    assert tuple(seen.texts) == PLACES


def test_the_report_names_the_patient_where_the_standard_wants_it(seen: Seen) -> None:
    """The marker did go all the way: who looked for nothing would find nothing."""
    report = next(ds for ds in seen.reports if ds.SOPClassUID == SR)
    for keyword in ("PatientName", "PatientID", "AccessionNumber", "PatientBirthDate"):
        assert str(report[keyword].value) == PATIENT[keyword]


def test_every_fault_was_met_and_told(seen: Seen) -> None:
    """So the places hold lines about what carried the marker."""
    told = seen.texts["log"]
    for event in (
        "association rejected", "instance refused", "dead letter", "delivery postponed", "query failed",
        "request refused", "series analysed",
    ):  # fmt: skip
        assert f'"event": "{event}"' in told, event
    for kind in ("rejected", "kept aside", "misfiled", "identity conflict", "dead letter"):
        assert f"{kind} " in seen.texts["events"], kind
    assert "(with a comment)" in told and "(with a comment)" in seen.texts["events"]
    assert STRANGER in told and STRANGER in seen.texts["audit"]
    assert STRANGER not in seen.texts["metrics"]


def test_the_peer_s_comment_is_shown_in_the_queue_alone(seen: Seen) -> None:
    assert f"cannot match patient {MARKER}NAME" in seen.node.says("queue", "list", "--json")


def test_audit_messages_name_studies_and_no_patient(seen: Seen) -> None:
    """PS3.15 A.5.3.7 wants the patient too; ours are told by the study alone, as CONFORMANCE says."""
    kinds = set()
    for line in seen.texts["audit"].splitlines():
        for message in json.loads(line)["messages"]:
            root = checked(message)
            for subject in root.iter("ParticipantObjectIdentification"):
                assert subject.attrib["ParticipantObjectTypeCode"] == "2"  # a system object, no person
                (kind,) = subject.findall("ParticipantObjectIDTypeCode")
                kinds.add(kind.attrib["csd-code"])
    assert kinds == {"110180", "110182"}  # Study Instance UID, Node ID
