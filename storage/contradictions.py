"""Where a study contradicts itself on whose it is.

Two values of one attribute of the patient in one study, or in two studies of one frame of reference, are a
contradiction; an absent value is none. Only keyed digests of values are compared, and no message has one.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Text, cast, func, or_, select

from storage import schema

ATTRIBUTES: Final = {
    "PatientID": "Patient ID (0010,0020)",
    "IssuerOfPatientID": "Issuer of Patient ID (0010,0021)",
    "PatientName": "Patient's Name (0010,0010)",
    "PatientName=1": "Patient's Name (0010,0010), ideographic",
    "PatientBirthDate": "Patient's Birth Date (0010,0030)",
    "PatientSex": "Patient's Sex (0010,0040)",
}
"""Keyword of `Instance.patient` -> its name in a message (PS3.3 C.7.1.1)."""

WELL_KNOWN_FRAMES: Final = "1.2.840.10008.%"
"""Frames of reference of the standard's own (PS3.6 A, an atlas): many patients share them by right."""

SERIES_NAMED: Final = 3
"""How many series of one value a message names; the rest are counted."""


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """Instances of one series that say the same of their patient."""

    series_instance_uid: str
    instances: int
    patient: Mapping[str, str]  # keyword -> keyed digest; absent or empty where the value is


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """Why a person must look at a series before its results leave."""

    detail: str  # attributes, series and numbers of instances; no value
    series: tuple[str, ...]  # that are held or released together: of its study and its frames of reference
    released: bool  # a person looked at this series, and nothing came since


def differences(bearers: Iterable[Bearer], where: str) -> list[str]:
    """A sentence for each attribute that has two values or more. Pure."""
    of_keyword: dict[str, dict[str, Counter[str]]] = {k: defaultdict(Counter) for k in ATTRIBUTES}
    for bearer in bearers:
        for keyword, values in of_keyword.items():
            if digest := bearer.patient.get(keyword):
                values[digest][bearer.series_instance_uid] += bearer.instances
    return [
        f"{ATTRIBUTES[keyword]} has {len(values)} values within {where}: {_counted(values.values())}"
        for keyword, values in of_keyword.items()
        if len(values) > 1
    ]


def _counted(values: Iterable[Counter[str]]) -> str:
    """The values by how many instances have them, most first; of each, its series."""
    ordered = sorted(values, key=lambda counts: (-counts.total(), sorted(counts.items())))
    return " against ".join(_series_named(counts) for counts in ordered)


def _series_named(counts: Counter[str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{count} instances of series {uid}" for uid, count in ordered[:SERIES_NAMED]]
    rest = ordered[SERIES_NAMED:]
    if rest:
        named.append(f"{sum(count for _uid, count in rest)} instances of {len(rest)} more series")
    return ", ".join(named)


def contradiction(connection: Connection, series_instance_uid: str) -> Contradiction | None:
    """What is contradictory around a series now, released or not; None where nothing is."""
    series = schema.series
    row = connection.execute(
        select(series.c.study_instance_uid, series.c.released).where(
            series.c.series_instance_uid == series_instance_uid
        )
    ).first()
    if row is None:
        return None
    study = _bearers(connection, series.c.study_instance_uid == row.study_instance_uid)
    frame = _frame_bearers(connection, series_instance_uid, row.study_instance_uid)
    found = [*differences(study, "the study"), *differences(frame, "one frame of reference of two studies")]
    if not found:
        return None
    involved = {bearer.series_instance_uid for bearer in (*study, *frame)}
    return Contradiction(detail="; ".join(found), series=tuple(sorted(involved)), released=row.released)


def _frame_bearers(connection: Connection, series_instance_uid: str, study: str) -> list[Bearer]:
    """This series and those of other studies that share a frame of reference with it."""
    instance, series = schema.instance, schema.series
    frames = select(instance.c.frame_of_reference_uid).where(
        instance.c.series_instance_uid == series_instance_uid,
        instance.c.frame_of_reference_uid.not_like(WELL_KNOWN_FRAMES),
    )
    others = (
        select(instance.c.series_instance_uid)
        .where(instance.c.frame_of_reference_uid.in_(frames), instance.c.study_instance_uid != study)
        .distinct()
    )
    uids = connection.execute(others).scalars().all()
    if not uids:
        return []
    uid = series.c.series_instance_uid
    return _bearers(connection, or_(uid == series_instance_uid, uid.in_(uids)))


def _bearers(connection: Connection, condition: ColumnElement[bool]) -> list[Bearer]:
    series, instance = schema.series, schema.instance
    patient = cast(instance.c.patient, Text)  # PostgreSQL does not compare JSON
    rows = connection.execute(
        select(instance.c.series_instance_uid, patient.label("digests"), func.count().label("instances"))
        .join(series, series.c.series_instance_uid == instance.c.series_instance_uid)
        .where(condition)
        .group_by(instance.c.series_instance_uid, patient)
    )
    return [
        Bearer(
            series_instance_uid=row.series_instance_uid,
            instances=row.instances,
            patient=(json.loads(row.digests) if row.digests else None) or {},
        )
        for row in rows
    ]
