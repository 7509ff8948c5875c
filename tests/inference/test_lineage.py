"""Volumes are followed from revision to revision by what they are made of, whatever their numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inference.lineage import Candidate, candidate, descents
from inference.results.identity import content_digest
from storage.records import VolumeRow
from storage.revisions import Former
from tests.inference.series_factory import enhanced, placed, stack_of

SERIES = "1.2.3"


def part(number: int, *frames: str) -> Candidate:
    named = tuple(sorted(frames))
    return Candidate(number=number, frames=named, digest=content_digest(SERIES, named))


def former(number: int, *frames: str, lineage: int | None = None) -> Former:
    named = tuple(sorted(frames))
    return Former(
        volume=VolumeRow(
            series_instance_uid=SERIES,
            revision=1,
            number=number,
            eligible=True,
            reason=None,
            slices=len(frames),
            digest=content_digest(SERIES, named),
            lineage=lineage,
            frames=named,
            report={},
        ),
        findings=(),
    )


def test_a_first_revision_has_its_own_numbers() -> None:
    found = descents([part(1, "a"), part(2, "b")], [], [])
    assert [(d.lineage, d.former, d.unchanged) for d in found] == [(1, (), None), (2, (), None)]


def test_a_volume_that_did_not_change_is_known_under_another_number() -> None:
    old = former(1, "a", "b")
    late, same = descents([part(1, "c", "d"), part(2, "a", "b")], [old], [1])
    assert (late.lineage, late.former) == (2, ())
    assert (same.lineage, same.unchanged) == (1, old)


def test_a_volume_that_grew_continues_and_is_not_the_same() -> None:
    old = former(1, "a", "b", lineage=7)
    (grown,) = descents([part(1, "a", "b", "c")], [old], [7])
    assert (grown.lineage, grown.former, grown.unchanged) == (7, (old,), None)


def test_of_two_halves_the_larger_continues() -> None:
    old = former(1, "a", "b", "c")
    small, large = descents([part(1, "a", "x"), part(2, "b", "c", "y")], [old], [1])
    assert (small.lineage, small.former) == (2, ())
    assert (large.lineage, large.former) == (1, (old,))


def test_two_volumes_that_became_one_are_both_continued() -> None:
    few, many = former(1, "a"), former(2, "b", "c", lineage=4)
    (whole,) = descents([part(1, "a", "b", "c")], [few, many], [1, 4])
    assert (whole.lineage, whole.former) == (4, (many, few))


def test_a_lineage_of_long_ago_is_not_given_again() -> None:
    (fresh,) = descents([part(2, "z")], [], [1, 2, 5])
    assert fresh.lineage == 6


def test_a_row_of_an_old_version_goes_by_its_number() -> None:
    old = former(2)
    first, second = descents([part(1, "a"), part(2, "b")], [old], [2])
    assert (first.former, second.former, second.unchanged) == ((), (old,), None)
    assert (first.lineage, second.lineage) == (1, 2)


def test_a_digest_is_of_the_frames_in_any_order() -> None:
    slices = placed(stack_of(4))
    one, other = candidate(SERIES, 1, slices), candidate(SERIES, 9, slices[::-1])
    assert (one.digest, one.frames) == (other.digest, other.frames)
    assert one.digest != candidate("1.2.4", 1, slices).digest != candidate(SERIES, 1, slices[1:]).digest
    multi = candidate(SERIES, 1, placed([enhanced(3)]))
    assert [frame.split()[1] for frame in multi.frames] == ["1", "2", "3"]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.data())
def test_what_grows_in_any_order_keeps_its_lineage(home: list[int], data: st.DataObject) -> None:
    """Frames are dealt to volumes; some come late; numbers are shuffled: every volume stays itself."""
    groups = [[str(f) for f, of in enumerate(home) if of == n] for n in range(5)]
    whole = [group for group in groups if group]
    early = [data.draw(st.lists(st.sampled_from(group), unique=True)) for group in whole]
    known = {n: frames for n, frames in enumerate(early, start=1) if frames}
    before = [former(n, *frames, lineage=10 + n) for n, frames in known.items()]
    order = data.draw(st.permutations(range(len(whole))))
    parts = [part(number, *whole[k]) for number, k in enumerate(order, start=1)]
    found = descents(parts, before, [f.lineage for f in before])
    for k, descent in zip(order, found, strict=True):
        if k + 1 in known:
            assert descent.lineage == 11 + k
            assert (descent.unchanged is not None) == (set(known[k + 1]) == set(whole[k]))
        else:
            assert (descent.former, descent.unchanged) == ((), None)
    assert len({d.lineage for d in found}) == len(found)
