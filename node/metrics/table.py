"""Every metric: its name, type, meaning, labels, and how it follows from a reading. There is no other.

Labels take few values: AE titles and destinations of the configuration, states, names of findings. Nothing of
a patient, a study or a series is a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from node.metrics.reading import Reading
from node.peers import Admission
from storage.states import DeliveryState, Ending, SeriesState, Trouble
from storage.tallies import Counter

Sample = tuple[tuple[str, ...], float]
"""Values of the labels, and the value."""

IN_DOUBT: Final = ("undetermined", "cannot tell")
AGREES: Final = ("agrees", "disagrees")
"""Values of the findings that compare an attribute of the header with the pixels."""
QUANTILES: Final = (0.5, 0.95)
QUEUES: Final = {
    SeriesState.RECEIVING: "receiving",
    SeriesState.QUEUED: "analysis",
    SeriesState.HELD: "person",
}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One line of the table."""

    name: str  # a counter's ends in _total
    kind: Literal["counter", "gauge"]
    help: str  # a sentence, for people
    labels: tuple[str, ...] = ()
    samples: Callable[[Reading], Iterable[Sample]]


def _counted(counter: Counter) -> Callable[[Reading], Iterable[Sample]]:
    return lambda reading: [
        ((subject,), count) for (which, subject), count in reading.tally.items() if which is counter
    ]


def _rejected(reading: Reading) -> Iterable[Sample]:
    """Every reason from the beginning: a counter that appears with its first rejections has not grown."""
    for admission in Admission:
        if admission is not Admission.ADMITTED:
            yield (admission.value,), reading.tally.get((Counter.REJECTED, admission.value), 0)


def _ended(reading: Reading) -> Iterable[Sample]:
    for (which, calling_ae), count in reading.tally.items():
        if which.value in list(Ending):
            yield (calling_ae, which.value), count


def _quantiles(values: Sequence[float]) -> Iterable[Sample]:
    """Nearest rank; nothing where there are no values."""
    if values:
        last = len(values) - 1
        yield from (((f"{q:g}",), values[min(last, int(q * len(values)))]) for q in QUANTILES)


def _shares(reading: Reading, *, of: tuple[str, ...], compared: bool) -> Iterable[Sample]:
    """For each finding the share of volumes whose value is one of these."""
    values: dict[str, dict[str, int]] = {}
    for (name, value), count in reading.findings.items():
        values.setdefault(name, {})[value] = count
    for name, counts in values.items():
        if (set(counts) <= set(AGREES)) is compared:
            yield (name,), sum(counts.get(value, 0) for value in of) / sum(counts.values())


def _states(reading: Reading) -> Iterable[Sample]:
    return [((state.value,), reading.series.get(state, 0)) for state in SeriesState]


def _deliveries(reading: Reading) -> Iterable[Sample]:
    for destination in sorted({*reading.destinations, *(name for name, _ in reading.deliveries)}):
        for state in DeliveryState:
            yield (destination, state.value), reading.deliveries.get((destination, state), 0)


def _troubles(reading: Reading) -> Iterable[Sample]:
    for destination in sorted({*reading.destinations, *reading.troubles}):
        for trouble in Trouble:
            yield (destination, trouble.value), float(reading.troubles.get(destination) is trouble)


def _queue_ages(reading: Reading) -> Iterable[Sample]:
    for state, queue in QUEUES.items():
        waiting = reading.waiting.get(state)
        yield (queue,), 0.0 if waiting is None else max(0.0, reading.now - waiting.since)


def _owed_ages(reading: Reading) -> Iterable[Sample]:
    for destination in sorted({*reading.destinations, *reading.owed}):
        waiting = reading.owed.get(destination)
        yield (destination,), 0.0 if waiting is None else max(0.0, reading.now - waiting.since)


def _disk(attribute: str) -> Callable[[Reading], Iterable[Sample]]:
    return lambda reading: [((), getattr(reading.disk, attribute))] if reading.disk is not None else []


METRICS: Final = (
    Metric(
        name="ctnode_info", kind="gauge", labels=("version", "python"),
        help="1; the labels say which version runs.",
        samples=lambda r: [((r.versions["version"], r.versions["python"]), 1)],
    ),
    Metric(
        name="ctnode_instances_received_total", kind="counter", labels=("calling_ae",),
        help="Instances that were stored, by calling AE title.", samples=_counted(Counter.INSTANCES),
    ),
    Metric(
        name="ctnode_bytes_received_total", kind="counter", labels=("calling_ae",),
        help="Bytes of their data sets, by calling AE title.", samples=_counted(Counter.BYTES),
    ),
    Metric(
        name="ctnode_associations_open", kind="gauge", labels=("calling_ae",),
        help="Associations that are open now, by calling AE title; none is no sample.",
        samples=lambda r: [((calling_ae,), count) for calling_ae, count in r.associations.items()],
    ),
    Metric(
        name="ctnode_associations_ended_total", kind="counter", labels=("calling_ae", "ending"),
        help="Associations that ended, by calling AE title: released, aborted, or lost with a receiver.",
        samples=_ended,
    ),
    Metric(
        name="ctnode_associations_rejected_total", kind="counter", labels=("reason",),
        help="Association requests that were rejected, each of them, by reason.",
        samples=_rejected,
    ),
    Metric(
        name="ctnode_series", kind="gauge", labels=("state",),
        help="Series in the ledger, by state.", samples=_states,
    ),
    Metric(
        name="ctnode_queue_oldest_seconds", kind="gauge", labels=("queue",),
        help="Age of the oldest series that is being received, waits for its analysis, or for a person; "
        "0 without one.",
        samples=_queue_ages,
    ),
    Metric(
        name="ctnode_delivery_oldest_seconds", kind="gauge", labels=("destination",),
        help="Age of the oldest result that a destination has not got; 0 without one.", samples=_owed_ages,
    ),
    Metric(
        name="ctnode_deliveries", kind="gauge", labels=("destination", "state"),
        help="Results in the ledger, by destination and state of delivery.", samples=_deliveries,
    ),
    Metric(
        name="ctnode_destination_trouble", kind="gauge", labels=("destination", "trouble"),
        help="1 where a destination cannot be given anything, and why; else 0.", samples=_troubles,
    ),
    Metric(
        name="ctnode_last_slice_to_destination_seconds", kind="gauge", labels=("quantile",),
        help="From the last slice of a series to its first result at a destination, over 24 h.",
        samples=lambda r: _quantiles(r.delays_s),
    ),
    Metric(
        name="ctnode_last_slice_to_destination_series", kind="gauge",
        help="How many series that is over.", samples=lambda r: [((), len(r.delays_s))],
    ),
    Metric(
        name="ctnode_inference_seconds", kind="gauge", labels=("quantile",),
        help="Time of the models for one volume, over the series of 24 h.",
        samples=lambda r: _quantiles(r.inferences_s),
    ),
    Metric(
        name="ctnode_inference_volumes", kind="gauge",
        help="How many volumes that is over.", samples=lambda r: [((), len(r.inferences_s))],
    ),
    Metric(
        name="ctnode_model_doubt_ratio", kind="gauge", labels=("finding",),
        help="Share of the volumes of 24 h of which a finding is undetermined or cannot be told.",
        samples=lambda r: _shares(r, of=IN_DOUBT, compared=False),
    ),
    Metric(
        name="ctnode_header_disagreement_ratio", kind="gauge", labels=("attribute",),
        help="Share of the volumes of 24 h, of those that could be compared, whose header contradicts the "
        "pixels.",
        samples=lambda r: _shares(r, of=("disagrees",), compared=True),
    ),
    Metric(
        name="ctnode_disk_bytes", kind="gauge",
        help="Size of the disk of storage.root.", samples=_disk("total"),
    ),
    Metric(
        name="ctnode_disk_free_bytes", kind="gauge",
        help="What is free of it.", samples=_disk("free"),
    ),
    Metric(
        name="ctnode_disk_reserve_bytes", kind="gauge",
        help="What has to stay free (storage.reserve_mb): below it nothing is received.",
        samples=_disk("reserve"),
    ),
    Metric(
        name="ctnode_segments", kind="gauge", labels=("full",),
        help="Segments that hold instances, by whether they are full.",
        samples=lambda r: [((str(full).lower(),), r.segments.get(full, 0)) for full in (False, True)],
    ),
    Metric(
        name="ctnode_certificate_expiry_seconds", kind="gauge", labels=("key",),
        help="Until the first certificate in a file of the configuration ends; far below 0: unreadable.",
        samples=lambda r: [((key,), ends_at - r.now) for key, ends_at in r.certificates.items()],
    ),
    Metric(
        name="ctnode_audit_waiting_bytes", kind="gauge",
        help="Of the audit trail, what the syslog server has not got; none without one.",
        samples=lambda r: [] if r.audit_waiting_bytes is None else [((), r.audit_waiting_bytes)],
    ),
    Metric(
        name="ctnode_audit_broken", kind="gauge",
        help="1 where the audit trail was found changed within 24 h; else 0.",
        samples=lambda r: [((), float(r.audit_broken))],
    ),
    Metric(
        name="ctnode_heartbeat_age_seconds", kind="gauge", labels=("process",),
        help="Since a process last wrote that it is alive.",
        samples=lambda r: [((process,), max(0.0, r.now - at)) for process, at in r.beats.items()],
    ),
    Metric(
        name="ctnode_process_running_seconds", kind="gauge", labels=("process",),
        help="Since a process of this node was started; one that is gone has no sample.",
        samples=lambda r: [((each.role,), each.running_s) for each in r.siblings],
    ),
    Metric(
        name="ctnode_process_processor_seconds", kind="gauge", labels=("process",),
        help="Processor time of a process since it was started.",
        samples=lambda r: [((each.role,), each.processor_s) for each in r.siblings],
    ),
    Metric(
        name="ctnode_process_memory_bytes", kind="gauge", labels=("process",),
        help="Resident memory of a process.",
        samples=lambda r: [((each.role,), each.memory_bytes) for each in r.siblings],
    ),
)  # fmt: skip
