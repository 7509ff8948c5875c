"""UIDs: valid, equal for equal inputs, different for each thing that they depend on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.findings import ModelIdentity
from inference.results import Inputs, identity, validate
from storage.errors import ConfigError
from tests.inference.results_factory import MODEL, PROVENANCE, findings_of, synthetic


def inputs() -> Inputs:
    evidence, volume = synthetic(4, 16)
    return Inputs(evidence=evidence, volume=volume, findings=findings_of(volume), provenance=PROVENANCE)


def other_model(i: Inputs) -> Inputs:
    model = ModelIdentity(name=MODEL.name, version=MODEL.version, sha256="cd" * 32)
    return replace(i, findings=replace(i.findings, model=model))


def without_last_slice(i: Inputs) -> Inputs:
    geometry = replace(i.volume.geometry, slices=i.volume.geometry.slices[:-1])
    return replace(i, volume=replace(i.volume, geometry=geometry))


CHANGES: dict[str, Callable[[Inputs], Inputs]] = {
    "model": other_model,
    "revision": lambda i: replace(i, provenance=replace(i.provenance, revision=2)),
    "installation": lambda i: replace(i, provenance=replace(i.provenance, device_uid="2.25.2")),
    "volume number": lambda i: replace(i, volume=replace(i.volume, number=2)),
    "series": lambda i: replace(i, volume=replace(i.volume, series_instance_uid="1.2.3")),
    "slices": without_last_slice,
}
SERIES_KEPT = {"model", "revision", "slices"}


@given(st.lists(st.text(max_size=80), min_size=1, max_size=5))
def test_every_uid_is_valid(parts: list[str]) -> None:
    uid = identity.uid(*parts)
    assert validate.UID.fullmatch(uid)
    assert len(uid) <= 44
    assert uid.startswith("2.25.")


def test_uid_is_that_of_the_namespace() -> None:
    assert identity.uid("a", "b") == "2.25.269848189308592997870300878298302509990"
    assert identity.uid("ab") != identity.uid("a", "b")


@pytest.mark.parametrize("name", CHANGES)
def test_instance_uid_changes_with(name: str) -> None:
    before = inputs()
    assert identity.sop_instance_uid(CHANGES[name](before), "SR") != identity.sop_instance_uid(before, "SR")


@pytest.mark.parametrize("name", CHANGES)
def test_series_uid_is_kept_by_a_new_revision_alone(name: str) -> None:
    before = inputs()
    kept = identity.series_instance_uid(CHANGES[name](before), "SR") == identity.series_instance_uid(
        before, "SR"
    )
    assert kept == (name in SERIES_KEPT)


def test_kinds_and_roles_do_not_share_uids() -> None:
    i = inputs()
    uids = [
        f(i, kind)
        for f in (identity.sop_instance_uid, identity.series_instance_uid)
        for kind in ("SR", "SEG")
    ]
    assert len({*uids, identity.dimension_organization_uid(i, "SEG")}) == 5


def test_tracking_uid_belongs_to_the_output_of_the_volume() -> None:
    volume = inputs().volume
    again = inputs().volume
    assert identity.tracking_uid(volume, "L3") == identity.tracking_uid(again, "L3")
    assert identity.tracking_uid(volume, "L3") != identity.tracking_uid(volume, "T12")
    assert identity.tracking_uid(volume, "L3") != identity.tracking_uid(replace(volume, number=2), "L3")


def test_a_volume_is_itself_under_another_number() -> None:
    """A phase that comes late shifts the numbers: what names a volume's results must not move."""
    before = inputs()
    moved = replace(before, volume=replace(before.volume, number=2, lineage=1))
    for name in (identity.sop_instance_uid, identity.series_instance_uid):
        assert name(moved, "SR") == name(before, "SR")
    assert identity.tracking_uid(moved.volume, "L3") == identity.tracking_uid(before.volume, "L3")
    newcomer = replace(before, volume=replace(before.volume, number=1, lineage=2))
    assert identity.series_instance_uid(newcomer, "SR") != identity.series_instance_uid(before, "SR")
    assert identity.tracking_uid(newcomer.volume, "L3") != identity.tracking_uid(before.volume, "L3")


def test_uids_are_those_of_the_first_release() -> None:
    """They were made of the number, which is the lineage of a first revision: no object is renamed."""
    frames = "\n".join(f"{s.sop_instance_uid} {s.frame}" for s in inputs().volume.geometry.slices)
    series = inputs().volume.series_instance_uid
    digest = hashlib.sha256(f"{series}\n1\n{frames}".encode()).hexdigest()
    expected = identity.uid("instance", "SR", digest, MODEL.sha256, "1", PROVENANCE.device_uid)
    assert identity.sop_instance_uid(inputs(), "SR") == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"station_name": "A" * 17}, "has 17 characters, expected 1 to 16"),
        ({"station_name": ""}, "has 0 characters"),
        ({"device_uid": "2.25.x"}, "device UID is '2.25.x'"),
        ({"revision": 0}, "revision is 0, expected 1 or more"),
    ],
)
def test_provenance_that_no_object_can_carry(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        replace(PROVENANCE, **changes)
