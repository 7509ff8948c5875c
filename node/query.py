"""The Query SCU: how many instances of a series a PACS has (C-FIND, Study Root, PS3.4 C.6.2).

Number of Series Related Instances (0020,1209) is optional (PS3.4 C.3.4): from a PACS that leaves it out
the instances themselves are asked for, which it must know (PS3.4 C.6.2.1.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import encode

from node.addresses import PeerAddress
from node.answers import NotDone, decoded
from node.association_failure import explain
from node.requestor import NotAssociated, Requested, requested
from node.status import SUCCESS
from node.transport import Timeouts
from node.upper_layer.negotiation import Syntax
from storage.errors import PeerUnavailable
from storage.geometry.frames import PARSE_ERRORS
from storage.logs import log

STUDY_ROOT_FIND: Final = UID("1.2.840.10008.5.1.4.1.2.2.1")
SYNTAXES: Final[tuple[Syntax, ...]] = (
    (STUDY_ROOT_FIND, ImplicitVRLittleEndian),
    (STUDY_ROOT_FIND, ExplicitVRLittleEndian),
)
COUNT_MAX: Final = 1_000_000
"""A larger Number of Series Related Instances is no count."""


class Declined(PeerUnavailable):
    """The PACS answers for one series with a failure; the association goes on."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A series to ask for."""

    study_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, kw_only=True)
class Count:
    """What a PACS has of a series."""

    instances: int
    sop_instance_uids: frozenset[str] | None = None  # which; None where it only counts


class Questions:
    """Questions on one association. Not for several threads."""

    def __init__(self, peer: Requested, called: PeerAddress) -> None:
        self._peer = peer
        self._called = called
        self._syntax = next(each for each in SYNTAXES if each in peer.accepted)

    def count(self, series: Asked) -> Count | None:
        """How many instances the PACS has; None when it does not know the series.

        Raises:
            Declined: it answers with a failure.
            PeerUnavailable: it does not answer.
        """
        found = self.find(_identifier(series, "SERIES", "NumberOfSeriesRelatedInstances"))
        own = [ds for ds in found if ds.get("SeriesInstanceUID") == series.series_instance_uid]
        if not own:
            return None
        counted = _number(own[0])
        if counted is not None:
            return Count(instances=counted)
        found = self.find(_identifier(series, "IMAGE", "SOPInstanceUID"))
        uids = frozenset(str(ds.SOPInstanceUID) for ds in found if ds.get("SOPInstanceUID"))
        return Count(instances=len(uids), sop_instance_uids=uids)

    def find(self, identifier: Dataset) -> list[Dataset]:
        """The matches of an identifier, read. Raises as `count`."""
        syntax = self._syntax[1]
        question = encode(identifier, syntax.is_implicit_VR, syntax.is_little_endian)
        assert question is not None  # UIDs and a level
        answer = self._peer.find(self._syntax, question)
        if answer is None:
            raise PeerUnavailable(f"{self._called} does not answer the query")
        response, matches = answer
        if response.status != SUCCESS:
            raise Declined(f"{self._called} answers the query with {response.words}")
        try:
            return [decoded(match, syntax) for match in matches]
        except NotDone as error:
            raise Declined(f"{self._called} answers the query with no data set") from error


def _identifier(series: Asked, level: str, wanted: str) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    ds.StudyInstanceUID = series.study_instance_uid
    ds.SeriesInstanceUID = series.series_instance_uid
    setattr(ds, wanted, None if wanted.startswith("Number") else "")
    return ds


def _number(ds: Dataset) -> int | None:
    """(0020,1209), an IS; None where it is absent, empty or no count."""
    try:
        value = ds.get("NumberOfSeriesRelatedInstances")
        number = None if value is None or str(value) == "" else int(value)
    except PARSE_ERRORS:
        return None
    return number if number is not None and 0 <= number <= COUNT_MAX else None


def ask(called: PeerAddress, series: list[Asked], *, calling_ae: str, timeouts: Timeouts) -> dict[str, Count]:
    """Ask one PACS for several series on one association: Series Instance UID -> what it has.

    A series that it does not know, or answers with a failure, is left out.

    Raises:
        PeerUnavailable: it cannot be reached, lets us not in, does not answer, or declines every series.
    """
    counts: dict[str, Count | None] = {}
    declined: dict[str, Declined] = {}
    try:
        with requested(called, calling_ae=calling_ae, syntaxes=SYNTAXES, timeouts=timeouts) as peer:
            questions = Questions(peer, called)
            for each in series:
                try:
                    counts[each.series_instance_uid] = questions.count(each)
                except Declined as error:
                    declined[each.series_instance_uid] = error
    except NotAssociated as error:
        raise PeerUnavailable(f"{called}: {explain(error.failure)}") from error
    if declined and not counts:
        raise next(iter(declined.values()))
    for uid, reason in declined.items():
        log().warning("query failed", series=uid, reason=str(reason))
    return {uid: count for uid, count in counts.items() if count is not None}
