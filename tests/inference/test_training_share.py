"""Which patients a smaller run learns from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from inference.training.share import drawn, drawn_patients
from inference.training.split import Group


@dataclass(frozen=True)
class Volume:
    """One that could be learnt from."""

    identifier: str
    patient: str
    group: Group


def volumes(group, patients):
    return [Volume(p, p, group) for p in patients]


def test_a_share_is_of_every_kind_of_volume_and_at_least_one():
    taught = volumes(Group.TRUNK, [f"t{n}" for n in range(25)]) + volumes(Group.HEAD_NECK, ["h0", "h1"])
    for share, trunks, heads in ((0.01, 1, 1), (0.25, 7, 1), (0.5, 13, 1), (0.51, 13, 2), (1.0, 25, 2)):
        chosen = drawn_patients(taught, share)
        assert sum(p.startswith("t") for p in chosen) == trunks
        assert sum(p.startswith("h") for p in chosen) == heads


def test_a_patient_s_volumes_are_drawn_together():
    taught = [
        replace(s, patient=f"p{n % 10}") for n, s in enumerate(volumes(Group.LIMB, map(str, range(40))))
    ]
    chosen = drawn_patients(taught, 0.3)
    assert len(chosen) == 3
    assert drawn(taught, 0.3) == {s.identifier for s in taught if s.patient in chosen}
    assert len(drawn(taught, 0.3)) == 12
