"""A scanner that tells what it does (MPPS) and asks for storage commitment; pynetdicom is the requestor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import N_ACTION, N_CREATE, N_SET
from pynetdicom.dsutils import decode

from storage import commitments
from storage.records import Commitment
from tests.node.receiving import SERIES, STUDY, Receiver, Store, associated, encoded, pause, receiver

MPPS = "1.2.840.10008.3.1.2.3.3"
COMMITMENT = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
STEP = "2.25.5001"
TRANSACTION = "2.25.6001"
LE = ExplicitVRLittleEndian
PATIENT = "DOE^JANE"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiver(tmp_path_factory.mktemp("node")) as each:
        yield each


@pytest.fixture
def node(running: Receiver) -> Receiver:
    """A receiver that knows nothing yet; its peer has no port."""
    running.forget()
    return running


def item(**attributes: Any) -> Dataset:
    """A data set of these attributes, whatever they are worth."""
    ds = Dataset()
    with disable_value_validation():
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)
    return ds


def performed(
    listed: Mapping[str, Sequence[str]], *, other: Mapping[str, Sequence[str]] = {}
) -> list[Dataset]:
    """Performed Series Sequence: images, and other composite instances, of each series."""
    return [
        item(
            SeriesInstanceUID=series,
            PerformedProcedureStepID="1",
            ReferencedImageSequence=_references(listed.get(series, ())),
            ReferencedNonImageCompositeSOPInstanceSequence=_references(other.get(series, ())),
        )
        for series in dict.fromkeys([*listed, *other])
    ]


def _references(uids: Sequence[str]) -> list[Dataset]:
    return [item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=uid) for uid in uids]


def begun(**changes: Any) -> Dataset:
    """The Attribute List of an N-CREATE, with the patient that every scanner puts in; None removes one."""
    values: dict[str, Any] = {
        "PatientName": PATIENT,
        "PatientID": "4711",
        "ScheduledStepAttributesSequence": [item(StudyInstanceUID=STUDY, AccessionNumber="")],
        "PerformedProcedureStepID": "PPS1",
        "PerformedStationAETitle": "SCU",
        "PerformedProcedureStepStartDate": "20260102",
        "PerformedProcedureStepStartTime": "101112",
        "PerformedProcedureStepStatus": "IN PROGRESS",
        "Modality": "CT",
        "PerformedSeriesSequence": [],
    }
    return item(**{k: v for k, v in (values | changes).items() if v is not None})


def ended(status: str, listed: Mapping[str, Sequence[str]] | None = None, **changes: Any) -> Dataset:
    """The Modification List of the last N-SET."""
    sequence = {} if listed is None else {"PerformedSeriesSequence": performed(listed)}
    values: dict[str, Any] = {
        "PerformedProcedureStepStatus": status,
        "PerformedProcedureStepEndDate": "20260102",
        "PerformedProcedureStepEndTime": "101212",
    }
    return item(**values, **sequence, **changes)


def wanted(
    uids: Sequence[str], *, transaction: str = TRANSACTION, sop_class: str = CTImageStorage
) -> Dataset:
    """The Action Information of a request for storage commitment."""
    references = [item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=uid) for uid in uids]
    return item(TransactionUID=transaction, ReferencedSOPSequence=references)


def instances(*numbers: int, series: str = SERIES) -> list[str]:
    """The SOP Instance UIDs of `tests.node.receiving.ct`."""
    return [f"{series}.{number}" for number in numbers]


PAIRS = tuple((str(CTImageStorage), uid) for uid in instances(1, 2))
"""SOP Class and SOP Instance UID of two images."""


def exchange(association: Any, request: Any) -> Any:
    """One request, in the first context; pynetdicom's response primitive."""
    request.MessageID = 7
    pause(association)
    sop_class = request.AffectedSOPClassUID if isinstance(request, N_CREATE) else request.RequestedSOPClassUID
    context = next(cx for cx in association.accepted_contexts if cx.abstract_syntax == sop_class)
    association.dimse.send_msg(request, context.context_id)
    response = association.dimse.get_msg(block=True)[1]
    association._reactor_checkpoint.set()
    assert response is not None, "no response"
    return response


def _bytes(ds: Dataset | bytes) -> BytesIO | None:
    """None for no data set: pynetdicom would announce an empty one, and send nothing."""
    data_set = ds if isinstance(ds, bytes) else encoded(ds)
    return BytesIO(data_set) if data_set else None


def create(association: Any, ds: Dataset | bytes, uid: str | None = STEP) -> Any:
    """N-CREATE of a step."""
    request = N_CREATE()
    request.AffectedSOPClassUID = MPPS
    if uid is not None:
        request.AffectedSOPInstanceUID = uid
    request.AttributeList = _bytes(ds)
    return exchange(association, request)


def change(association: Any, ds: Dataset | bytes, uid: str = STEP) -> Any:
    """N-SET of a step."""
    request = N_SET()
    request.RequestedSOPClassUID, request.RequestedSOPInstanceUID = MPPS, uid
    request.ModificationList = _bytes(ds)
    return exchange(association, request)


def act(
    association: Any, ds: Dataset | bytes, *, instance: str = COMMITMENT_INSTANCE, action: int = 1
) -> Any:
    """N-ACTION of a request for storage commitment."""
    request = N_ACTION()
    request.RequestedSOPClassUID, request.RequestedSOPInstanceUID = COMMITMENT, instance
    request.ActionTypeID = action
    request.ActionInformation = _bytes(ds)
    return exchange(association, request)


@contextmanager
def scanner(port: int, *sop_classes: str, handlers: Sequence[Any] = (), **settings: Any) -> Iterator[Any]:
    """An association for these SOP classes."""
    contexts = [(sop_class, LE) for sop_class in sop_classes]
    with associated(port, contexts, handlers=handlers, **settings) as association:
        yield association


class Told:
    """What an SCU is told by N-EVENT-REPORT, and how it answers."""

    def __init__(self, *answers: int) -> None:
        self.reports: list[tuple[int, Dataset]] = []  # Event Type ID, Event Information
        self.roles: list[tuple[bool | None, bool | None]] = []  # proposed by the caller: SCU, SCP
        self._answers = list(answers)

    def _on_report(self, event: Any) -> tuple[int, None]:
        request = event.request
        syntax = UID(event.context.transfer_syntax)
        ds = decode(request.EventInformation, syntax.is_implicit_VR, syntax.is_little_endian)
        assert (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID) == (
            COMMITMENT,
            COMMITMENT_INSTANCE,
        )
        self.reports.append((request.EventTypeID, ds))
        role = event.assoc.requestor.role_selection.get(COMMITMENT)
        self.roles.append((role.scu_role, role.scp_role) if role is not None else (None, None))
        return (self._answers.pop(0) if self._answers else 0x0000), None

    @property
    def handlers(self) -> list[Any]:
        return [(evt.EVT_N_EVENT_REPORT, self._on_report)]

    @contextmanager
    def listening(self, port: int, ae_title: str = "SCU", *, roles: bool = True) -> Iterator[None]:
        """An SCU that can be called; it accepts that the caller is the provider, or knows no roles."""
        entity = AE(ae_title=ae_title)
        entity.require_called_aet = True
        settings = {"scu_role": False, "scp_role": True} if roles else {}
        entity.add_supported_context(COMMITMENT, [LE], **settings)
        entity.start_server(("127.0.0.1", port), block=False, evt_handlers=self.handlers)
        try:
            yield
        finally:
            entity.shutdown()


def told(ds: Dataset) -> tuple[list[str], list[tuple[str, int]]]:
    """The committed instances of a report, and the failed ones with their Failure Reason."""
    committed = [each.ReferencedSOPInstanceUID for each in ds.get("ReferencedSOPSequence", [])]
    failed = [(each.ReferencedSOPInstanceUID, each.FailureReason) for each in ds.get("FailedSOPSequence", [])]
    return committed, failed


def commitment(node: Store, uid: str = TRANSACTION) -> Commitment | None:
    """The commitment that a node remembers."""
    with node.ledger.reading() as connection:
        return commitments.find(connection, uid)
