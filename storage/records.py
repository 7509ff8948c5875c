"""What the ledger keeps, as frozen records. Times are UTC seconds since 1970 (POSIX time)."""

from __future__ import annotations

from dataclasses import dataclass

from storage.geometry.frames import PlacedSlice
from storage.header import Header
from storage.states import (
    CommitmentState,
    DeliveryState,
    Ending,
    PromiseState,
    SeriesState,
    Source,
    StepState,
    Trouble,
)


@dataclass(frozen=True, kw_only=True)
class Association:
    """One association that a peer opened with us."""

    id: str  # our own identifier, a UUID
    calling_ae: str  # calling AE title
    called_ae: str  # called AE title
    address: str  # the peer's network address
    opened_at: float
    closed_at: float | None = None  # None while it is open
    ending: Ending | None = None  # None while it is open
    receiver: int = 0  # number of the receiving process that has it


@dataclass(frozen=True, kw_only=True)
class PixelPlace:
    """Where the pixels of an instance lie in its file, for those that are stored as they are.

    Native pixels alone (PS3.5 8.1.1), little endian, of 16 bits allocated and one sample.
    """

    offset: int  # of the first byte of the pixels, from the start of the file (PS3.10 7.1: its preamble)
    length: int  # in bytes, of all frames
    bits_stored: int  # (0028,0101)
    high_bit: int  # (0028,0102)
    signed: bool  # (0028,0103) Pixel Representation is 1
    padding: tuple[int, int] | None = None  # lowest and highest stored padding value; None without


@dataclass(frozen=True, kw_only=True)
class SegmentMark:
    """How far a segment is indexed."""

    name: str  # of the segment
    indexed_to: int  # every record that begins before this offset has its row, or needs none
    sealed: bool  # nothing is appended any more, and everything is indexed


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One SOP instance whose bytes are on stable storage."""

    header: Header
    transfer_syntax_uid: str  # as received; the bytes are never re-encoded
    digest: str  # XXH3 (128 bits) of the data set as received, hexadecimal
    size_bytes: int  # of the file
    path: str  # where the file is: see `storage.locator`
    received_at: float
    association_id: str | None  # None when the row was rebuilt from the file
    ineligible: str | None  # why the models do not read it; None for CT image data
    slices: tuple[PlacedSlice, ...] | None = None  # of a multi-frame instance; None: its header places it
    patient: dict[str, str] | None = None  # keyword -> keyed digest of the value; None in rows before 0002
    pixels: PixelPlace | None = None  # None: compressed, or not of the plain kind, or a row before 0003


@dataclass(frozen=True, kw_only=True)
class Series:
    """One series and where it stands."""

    series_instance_uid: str
    study_instance_uid: str
    modality: str | None
    state: SeriesState
    revision: int  # 0 until it is first complete, then 1, 2, ... with each completion
    instances: int  # how many are stored
    first_received_at: float  # of the first instance since the last completion
    last_received_at: float
    completed_at: float | None  # of the last completion
    rule: str | None = None  # which rule completed it: of node.rules.Rule
    evidence: str | None  # why the series was judged complete, with the numbers
    reason: str | None  # why it is not eligible, held or failed
    released: bool = False  # a person looked at a contradiction in its study, and let it pass


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What somebody says of how many instances a series has, held against what is stored."""

    source: Source
    told_by: str  # SOP Instance UID of the step, name of the peer, Transaction UID
    count: int  # of instances
    missing: int  # of them, not stored in this series
    unlisted: int  # stored in this series, but not listed; 0 where there is a count and no list


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the slices of a series say of its being whole."""

    gap: str | None  # what is open, in words; None where every volume in it is closed
    acquired_missing: int | None = None  # images that Images in Acquisition (0020,1002) promises and are
    # not stored; None where not every slice carries it, or more are stored than it says


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What decides whether a series is complete."""

    series_instance_uid: str
    first_received_at: float  # of the first instance since the last completion
    last_received_at: float
    instances: int
    calling_aes: tuple[str, ...] = ()  # who sent to it, sorted
    open_associations: int  # associations that sent to it and are still open
    released: int = 0  # associations that sent to it and were released
    broken_at: float | None = None  # end of the last that was aborted or lost; None where another followed it
    late_after_s: float | None = None  # the pause before the instance that came after its last completion
    former_rule: str | None = None  # what completed it last
    expectations: tuple[Expectation, ...] = ()
    shape: Shape | None = None  # None until somebody looked at its slices


@dataclass(frozen=True, kw_only=True)
class Step:
    """One modality performed procedure step (PS3.4 F.7)."""

    sop_instance_uid: str
    calling_ae: str  # who created it
    study_instance_uid: str
    listed: dict[str, tuple[str, ...]]  # Series Instance UID -> the SOP Instance UIDs made so far
    state: StepState
    created_at: float
    ended_at: float | None = None  # None while it is in progress


@dataclass(frozen=True, kw_only=True)
class Commitment:
    """One request for storage commitment (PS3.4 J.3.2)."""

    transaction_uid: str
    calling_ae: str  # who asked, and is told
    instances: tuple[tuple[str, str], ...]  # SOP Class UID and SOP Instance UID of each
    state: CommitmentState
    requested_at: float
    attempts: int = 0  # how often the report was tried
    next_attempt_at: float | None  # None when settled
    last_error: str | None = None  # why the last attempt failed, in words
    settled_at: float | None = None  # when it was reported or declared dead


@dataclass(frozen=True, kw_only=True)
class CommitmentReport:
    """What a destination says of the instances that we asked it to commit to (PS3.4 Table J.3-2)."""

    committed: tuple[str, ...]  # SOP Instance UIDs
    failed: tuple[tuple[str, int], ...]  # SOP Instance UID and Failure Reason (0008,1197) of each


@dataclass(frozen=True, kw_only=True)
class Promise:
    """One storage commitment that we asked a destination for."""

    transaction_uid: str
    destination: str  # its name in the configuration
    called_ae: str  # whom we asked; nobody else may report
    instances: tuple[tuple[str, str], ...]  # SOP Class UID and SOP Instance UID of each
    state: PromiseState
    asked_at: float
    settled_at: float | None = None  # when it was acted upon, or declined
    report: CommitmentReport | None = None  # None until it is here


@dataclass(frozen=True, kw_only=True)
class Unproven:
    """A result that a destination has, and of which more is to be proven."""

    delivery: Delivery
    study_instance_uid: str  # of the source series
    attempts: int = 0  # how often it was asked in vain
    began_at: float | None = None  # when it was first asked; None before that


@dataclass(frozen=True, kw_only=True)
class VolumeRow:
    """One volume of a completed series, or the reason why it is none."""

    series_instance_uid: str
    revision: int
    number: int  # from 1, within the series
    eligible: bool
    reason: str | None  # the refusal's name and numbers; None when eligible
    slices: int
    digest: str | None  # SHA-256 of what it is made of, its frames; None where it is refused
    carried_from: int | None = None  # the revision whose findings hold, where the volume did not change
    lineage: int | None = None  # the number it was first seen under: its results' series and tracking UIDs
    frames: tuple[str, ...] = ()  # "SOP Instance UID, frame number" of each slice, sorted; () in old rows
    report: dict[str, object]  # the object that `analyze --json` writes for it


@dataclass(frozen=True, kw_only=True)
class FindingRow:
    """One finding of a volume, for queries."""

    name: str  # axis, body_part, series_class, contrast, T12, L3; keyword of a compared header attribute
    value: str  # of an attribute: agrees or disagrees, with what the pixels show
    confidence: float


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One result object, stored and ready to leave."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str  # of the source series
    revision: int
    volume_number: int
    kind: str  # of `storage.kinds.Kind`
    predecessor_uid: str | None = None  # of the object of the former revision that this one replaces
    path: str  # relative to the storage root
    digest: str  # SHA-256 of the file
    size_bytes: int
    held: str | None = None  # why it may not leave; None for one that passed its checks


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One result object on its way to one destination."""

    id: int
    result: ResultRow
    destination: str  # its name in the configuration
    state: DeliveryState
    attempts: int  # how often it was tried
    created_at: float
    next_attempt_at: float | None  # None when settled
    last_error: str | None  # why the last attempt failed, in words
    settled_at: float | None  # when it came to its state; None while it is owed
    sent_at: float | None = None  # when it last went out without an answer
    stored_at: float | None = None  # when the destination said that it has it
    committed_at: float | None = None  # when the destination took over responsibility (PS3.4 J)
    verified_at: float | None = None  # when it was found under the right study


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """A destination that cannot be given anything, and since when."""

    destination: str  # its name in the configuration
    trouble: Trouble
    failures: int  # tries in vain, one after the other
    since: float  # of the first of them
    next_try_at: float | None  # of the one try that all results wait for; None: each result tries by itself
    reason: str  # of the last failure, in words


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something worth telling an administrator, without patient data."""

    at: float
    kind: str  # a word of the table in deploy/RUNBOOK.md
    subject: str  # the UID, AE title or destination it is about
    detail: str
