"""The parts of the documents that are made from the code: `make docs` writes them, a test compares them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import typer.main
from pydicom.uid import UID
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

import storage.errors
from inference.report_fields import FIELDS
from inference.results import BUILDERS
from inference.results.codes import body_part_codes
from inference.series_protocols import PROTOCOLS
from node.contexts import STORAGE_SOP_CLASSES, STORAGE_TRANSFER_SYNTAXES, WORKFLOW_SOP_CLASSES
from node.metrics.table import METRICS
from node.peers import Admission
from node.program import app
from node.proof import FAILURES
from node.query import STUDY_ROOT_FIND
from node.status import (
    ANSWER_STATUS,
    FAILURE_REASONS,
    PROCESSING_FAILURE,
    REJECTIONS,
    STORE_STATUS,
)
from node.store_status import TABLE, Disposition
from node.stow import TABLE as STOW_TABLE
from storage.errors import PeerBusy, PeerRefused, PeerUnavailable
from storage.kinds import SOP_CLASSES
from storage.states import DELIVERY_NEXT, SERIES_NEXT
from tests.documents import outlines

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "deploy" / "CONFORMANCE.md", ROOT / "deploy" / "RUNBOOK.md")
BLOCK = re.compile(r"<!-- made: (?P<name>[a-z-]+) -->\n.*?<!-- end -->", re.DOTALL)


def table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def verbs() -> str:
    """Every command with the first sentence of its help."""
    group = typer.main.get_command(app)
    return table(("command", "what it does"), [(f"`ctnode {n}`", help) for n, help in _commands(group, "")])


def _commands(group: object, prefix: str) -> Iterator[tuple[str, str]]:
    for name, command in getattr(group, "commands", {}).items():
        if getattr(command, "hidden", False):
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", (command.help or "").split("\n")[0]


def stow_status() -> str:
    """What an HTTP status of a DICOMweb service leads to."""
    rows = []
    for first, last, meant, words in STOW_TABLE:
        numbers = f"`{first}`" if first == last else f"`{first}`-`{last}`"
        if isinstance(meant, Disposition):
            rows.append((numbers, words, meant.value))
        else:
            rows.append((numbers, f"the service {words}", SERVICE[meant]))
    return table(("status", "meaning", "what we do"), rows)


SERVICE = {
    PeerRefused: "the destination is blocked",
    PeerBusy: "the destination is busy",
    PeerUnavailable: "the destination is unreachable",
}


def store_status() -> str:
    """What a C-STORE is answered."""
    rows = [
        (f"`{status:04X}`", error.__name__, (error.__doc__ or "").split("\n")[0], meaning)
        for error, (status, meaning) in STORE_STATUS.items()
    ]
    success = ("`0000`", "-", "Stored: the bytes are on stable storage and indexed.", "Success (PS3.7 C.1.1)")
    failure = (f"`{PROCESSING_FAILURE:04X}`", "-", "An error of ours.", "Processing failure (PS3.7 C.4)")
    return table(("status", "error", "when", "meaning"), [success, *rows, failure])


def rejections() -> str:
    """What an association request is answered."""
    rows = [
        (admission.value, str(r.result), str(r.source), str(r.reason)) for admission, r in REJECTIONS.items()
    ]
    assert set(REJECTIONS) == set(Admission) - {Admission.ADMITTED}
    return table(("why", "result", "source", "reason"), rows)


def peer_status() -> str:
    """What we make of a peer's answer to our C-STORE."""
    rows = [
        (f"`{first:04X}`" if first == last else f"`{first:04X}`-`{last:04X}`", meaning, disposition.value)
        for first, last, disposition, meaning in TABLE
    ]
    return table(("status", "meaning", "what we do"), rows)


def sop_classes() -> str:
    """The storage SOP classes that are accepted."""
    return table(("SOP class", "UID"), [(UID(uid).name, f"`{uid}`") for uid in STORAGE_SOP_CLASSES])


def workflow_sop_classes() -> str:
    """What is provided and used beside storage."""
    both = {Verification, StorageCommitmentPushModel}
    rows = [
        (UID(uid).name, f"`{uid}`", "SCP and SCU" if uid in both else "SCP") for uid in WORKFLOW_SOP_CLASSES
    ]
    used = (UID(STUDY_ROOT_FIND).name, f"`{STUDY_ROOT_FIND}`", "SCU")
    return table(("SOP class", "UID", "role"), [*rows, used])


def answer_status() -> str:
    """How a DIMSE-N request is answered."""
    rows = [(f"`{status:04X}`", answer.value, meaning) for answer, (status, meaning) in ANSWER_STATUS.items()]
    return table(("status", "why", "meaning"), rows)


def failure_reasons() -> str:
    """Why we do not commit to an instance."""
    rows = [(f"`{reason:04X}`", fault.value, meaning) for fault, (reason, meaning) in FAILURE_REASONS.items()]
    return table(("Failure Reason", "why", "meaning (PS3.3 C.14.1.1)"), rows)


def peer_failure_reasons() -> str:
    """What a Failure Reason of a destination leads to."""
    rows = [(f"`{reason:04X}`", meaning, remedy.value) for reason, (remedy, meaning) in FAILURES.items()]
    return table(
        ("Failure Reason", "meaning (PS3.3 C.14.1.1)", "the result is"), [*rows, ("other", "", "dead letter")]
    )


def transfer_syntaxes() -> str:
    """The transfer syntaxes that are accepted for storage."""
    rows = [(UID(uid).name, f"`{uid}`") for uid in STORAGE_TRANSFER_SYNTAXES]
    return table(("transfer syntax", "UID"), rows)


def results() -> str:
    """The kinds of result objects."""
    notes = {
        "SR": " (TID 1500)",
        "SEG": " (binary)",
        "LABELMAP": "Label Map Segmentation Storage",  # pydicom does not name it yet
    }
    names = {kind: UID(uid).name if UID(uid).name != uid else "" for kind, uid in SOP_CLASSES.items()}
    rows = [
        (f"`{kind}`", f"{names[kind]}{notes.get(kind, '')}", f"`{SOP_CLASSES[kind]}`") for kind in BUILDERS
    ]
    return table(("kind", "SOP class", "UID"), rows)


def report_fields() -> str:
    """The fields of the JSON of `ctnode analyze`."""
    return table(("field", "what it says"), [(f"`{field}`", said) for field, said in FIELDS.items()])


def series_classes() -> str:
    """The 16 series classes and their codes."""
    rows = [
        (
            name,
            " + ".join(
                f"({c.value}, {c.scheme_designator}, {c.meaning})" for c in body_part_codes(name) or ()
            ),
        )
        for name in PROTOCOLS
    ]
    return table(("class", "Target Region (123014, DCM)"), rows)


def weights() -> str:
    """The files of weights, and what makes them."""
    from inference.models.product import PRODUCT

    rows_ = [
        (
            PRODUCT.score,
            "five networks that read rows: score, its sd, vertebrae",
            "score",
            "score.safetensors",
        ),
        (PRODUCT.levels, "the chain; how wrong it is. It names the score weights", "levels", "levels.json"),
        (PRODUCT.series, "five pairs of networks: axis and body, contrast", "series", ""),
        (PRODUCT.series.with_suffix(".json"), "their calibration. It names them", "series", ""),
    ]
    head = ("file", "what it holds", "`ctnode train`", "which calls it")
    return table(head, [(f"`{f.name}`", said, f"`{verb}`", f"`{n or f.name}`") for f, said, verb, n in rows_])


def error_tree() -> str:
    """The error tree of storage/errors.py."""
    tree = (storage.errors.__doc__ or "").split("\n\n")[1]
    return f"```\n{tree}\n```"


def states() -> str:
    """Which state follows which."""
    rows = [
        (f"{kind} {state.value}", ", ".join(sorted(s.value for s in following)) or "-")
        for kind, table_ in (("series", SERIES_NEXT), ("delivery", DELIVERY_NEXT))
        for state, following in table_.items()  # type: ignore[attr-defined]
    ]
    return table(("state", "may be followed by"), rows)


def metrics() -> str:
    """What `/metrics` tells."""
    rows = [
        (f"`{each.name}`", each.kind, ", ".join(f"`{label}`" for label in each.labels) or "-", each.help)
        for each in METRICS
    ]
    return table(("metric", "type", "labels", "what it says"), rows)


MAKERS: dict[str, Callable[[], str]] = {
    "verbs": verbs,
    "store-status": store_status,
    "rejections": rejections,
    "peer-status": peer_status,
    "stow-status": stow_status,
    "sop-classes": sop_classes,
    "workflow-sop-classes": workflow_sop_classes,
    "answer-status": answer_status,
    "failure-reasons": failure_reasons,
    "peer-failure-reasons": peer_failure_reasons,
    "transfer-syntaxes": transfer_syntaxes,
    "results": results,
    "report-fields": report_fields,
    "series-classes": series_classes,
    "weights": weights,
    "error-tree": error_tree,
    "states": states,
    "metrics": metrics,
}


def made(text: str) -> str:
    """A document with its made parts as they should be."""

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- made: {name} -->\n{MAKERS[name]()}\n<!-- end -->"

    return BLOCK.sub(replace, text)


if __name__ == "__main__":
    outlines.write()
    for document in DOCUMENTS:
        document.write_text(made(document.read_text()))
