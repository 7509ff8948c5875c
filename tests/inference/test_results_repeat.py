"""The same inputs give the same objects, in any process; what changed names what it replaces; sizes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from inference.findings import ModelIdentity
from inference.gate import encoded
from inference.results import BUILDERS, Predecessor, ResultObject, build_results
from inference.results.references import references_of
from storage.kinds import Kind
from tests.inference.results_factory import MODEL, PROVENANCE, findings_of, synthetic

ROOT = Path(__file__).resolve().parents[2]
OTHER = ModelIdentity(name=MODEL.name, version="0.2.0", sha256="cd" * 32)
WITHOUT_PREDECESSORS = {Kind.KO, Kind.GSPS}
"""IODs that have no place for what an object replaces (PS3.3 A.35.4, A.33.1)."""

SR_MAX_BYTES = 500_000
SEG_MAX_BYTES = 3_000_000


def made(
    revision: int = 1, model: ModelIdentity = MODEL, former: tuple[Predecessor, ...] = ()
) -> dict[Kind, ResultObject]:
    evidence, volume = synthetic()
    findings = findings_of(volume, model=model)
    told = replace(PROVENANCE, revision=revision)
    built = build_results(evidence, volume, findings, told, former, kinds=tuple(BUILDERS))
    return {Kind(each.kind): each for each in built if isinstance(each, ResultObject)}


def digests() -> dict[str, str]:
    return {kind: hashlib.sha256(encoded(each.dataset)).hexdigest() for kind, each in made().items()}


def test_every_kind_is_the_same_in_another_process() -> None:
    script = (
        "import json; from tests.inference.test_results_repeat import digests; print(json.dumps(digests()))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert set(digests()) == set(Kind)
    assert json.loads(done.stdout) == digests()


def predecessors_of(objects: dict[Kind, ResultObject]) -> tuple[Predecessor, ...]:
    return tuple(
        Predecessor(
            kind=each.kind,
            sop_class_uid=each.sop_class_uid,
            sop_instance_uid=each.sop_instance_uid,
            series_instance_uid=each.series_instance_uid,
            study_instance_uid=each.dataset.StudyInstanceUID,
        )
        for each in objects.values()
    )


@pytest.mark.parametrize(("revision", "model"), [(2, MODEL), (1, OTHER)], ids=["revision", "weights"])
def test_what_replaces_an_object_has_a_uid_of_its_own_and_names_it(
    revision: int, model: ModelIdentity
) -> None:
    old = made()
    new = made(revision, model, predecessors_of(old))
    assert {kind: each.held for kind, each in new.items()} == dict.fromkeys(Kind)
    for kind in Kind:
        assert new[kind].sop_instance_uid != old[kind].sop_instance_uid
        assert new[kind].series_instance_uid == old[kind].series_instance_uid
        named = {each.sop_instance_uid for each in references_of(new[kind].dataset)}
        olds = {each.sop_instance_uid for each in old.values()}
        expected = set() if kind in WITHOUT_PREDECESSORS else {old[kind].sop_instance_uid}
        assert named & olds == expected, kind


def test_a_series_of_600_slices_stays_small(many: dict[Kind, Dataset]) -> None:
    assert len(encoded(many[Kind.SR])) <= SR_MAX_BYTES
    assert len(encoded(many[Kind.SEG])) <= SEG_MAX_BYTES


@pytest.fixture(scope="module")
def many() -> dict[Kind, Dataset]:
    evidence, volume = synthetic(600, 512)
    built = build_results(evidence, volume, findings_of(volume), PROVENANCE)
    found = {Kind(each.kind): each for each in built if isinstance(each, ResultObject)}
    assert {kind: each.held for kind, each in found.items()} == {Kind.SR: None, Kind.SEG: None}
    return {kind: each.dataset for kind, each in found.items()}
