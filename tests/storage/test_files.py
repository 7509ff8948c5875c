"""Plain files: kept, checked by the digest in their names, found again; those of older versions, too."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import xxhash

from storage.blobs import BlobName, Shelf
from storage.errors import Damaged
from storage.files import FileStore
from storage.store import Label, Torn, Unindexed
from storage.stores import open_store
from tests.storage.segments.keeping import HEAD, SERIES, content, keep

DAY = "2023-11-14"  # of 1,700,000,000


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path, segment_bytes=1 << 20, spares=0)


def test_an_instance_is_a_file_with_its_digest_in_the_name(store: FileStore) -> None:
    data = content(1, 70_001)
    locator = keep(store, 1, data)
    digest = xxhash.xxh3_128(data).hexdigest()[:16]
    assert locator == f"instances/{DAY}/{SERIES}/{SERIES}.1.{digest}.dcm"
    assert (store.root / locator).read_bytes() == HEAD + data
    assert store.open(locator).read() == HEAD + data
    into = bytearray(100)
    store.read_pixels(locator, len(HEAD) + 50_000, memoryview(into))
    assert into == data[50_000:50_100]
    place = store.range(locator)
    assert (place.path, place.offset, place.length) == (store.root / locator, 0, len(HEAD) + 70_001)
    assert list(store.root.joinpath("segments").glob("*.seg")) == []


def _older(store: FileStore, data: bytes) -> str:
    name = BlobName(
        shelf=Shelf.INSTANCES,
        arrived_at=1_700_000_000.0,
        series_instance_uid="1.2",
        sop_instance_uid="1.2.3",
        digest=hashlib.sha256(data).hexdigest(),
    )
    return store.blobs.put(name, [HEAD, data])


def test_a_file_of_an_older_version_has_another_digest_in_its_name(store: FileStore) -> None:
    locator = _older(store, b"older")
    assert store.open(locator).read() == HEAD + b"older"


@pytest.mark.parametrize("older", [False, True])
def test_damage_is_named_with_both_digests(store: FileStore, older: bool) -> None:
    locator = _older(store, b"data") if older else keep(store, 1, b"data")
    with (store.root / locator).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"X")
    named, now = locator.split(".")[-2], xxhash.xxh3_128(b"datX").hexdigest()[:16]
    for read in (
        lambda: store.open(locator),
        lambda: store.read_pixels(locator, 150, memoryview(bytearray(5))),
    ):
        with pytest.raises(Damaged) as raised:
            read()
        assert str(raised.value) == f"{locator}: acknowledged with the digest {named}..., now {now}..."


def test_a_file_that_is_cut_within_its_head_is_damaged(store: FileStore) -> None:
    locator = keep(store, 1, b"data")
    (store.root / locator).write_bytes(HEAD[:150])
    with pytest.raises(Damaged, match=f"head of {len(HEAD)} bytes in a file of 150"):
        store.open(locator)


def test_files_without_row_are_found(store: FileStore) -> None:
    known, new, damaged = (keep(store, number, content(number, 500)) for number in (1, 2, 3))
    (store.root / damaged).write_bytes(HEAD + b"other")
    found, torn = sorted(store.unindexed({}, known={known}), key=lambda f: isinstance(f, Torn))
    assert isinstance(found, Unindexed)
    assert isinstance(torn, Torn)
    assert found.locator == new
    assert found.digest == xxhash.xxh3_128(content(2, 500)).hexdigest()
    assert found.label == Label(
        shelf=Shelf.INSTANCES,
        series_instance_uid=SERIES,
        sop_instance_uid=f"{SERIES}.2",
        received_at=(store.root / new).stat().st_mtime,
        association_id=None,
    )
    assert torn.where == damaged
    assert list(store.unindexed({}, from_day="2023-11-15")) == []


def test_what_is_not_wanted_goes(store: FileStore) -> None:
    locator = keep(store, 1, b"data")
    store.remove(locator)
    assert list(store.root.rglob("*.dcm")) == []


@pytest.mark.parametrize("kind", ["segments", "files"])
def test_the_configuration_names_the_store(tmp_path: Path, kind: str) -> None:
    store = open_store(tmp_path, kind=kind, segment_bytes=1 << 20, spares=0)  # type: ignore[arg-type]
    locator = keep(store, 1, b"data")
    assert locator.startswith("segments/" if kind == "segments" else "instances/")
    for other in ("segments", "files"):
        reader = open_store(tmp_path, kind=other, segment_bytes=1 << 20, spares=0)  # type: ignore[arg-type]
        assert reader.open(locator).read() == HEAD + b"data"
    store.close()
