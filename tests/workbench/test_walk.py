"""What lies below a path: in order, without going in circles, and whatever the disk thinks of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.workbench.units import gathered
from inference.workbench.walk import below
from tests.inference.series_factory import save, stack_of, uid

NOBODY = 65534


def touched(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@settings(max_examples=60, deadline=None)
@given(
    names=st.sets(
        st.lists(st.sampled_from(["a", "B", "a b", "é", "10", "2", "-", "\n"]), min_size=1, max_size=4)
        .map(lambda parts: "/".join([*parts[:-1], f"f{parts[-1]}"])),
        max_size=8,
    )
)  # fmt: skip
def test_files_come_in_order_of_the_parts_of_their_paths(names: set[str], tmp_path_factory) -> None:
    root = tmp_path_factory.mktemp("walk")
    touched(*(root / name for name in names))
    found = below(root)
    assert list(found.files) == sorted(p for p in root.rglob("*") if p.is_file())
    assert (len(found.files), found.unreadable, found.links, found.told()) == (len(names), 0, 0, [])


def test_links_are_followed_to_files_and_never_to_folders(tmp_path: Path) -> None:
    touched(tmp_path / "ct" / "1", tmp_path / "else" / "2")
    (tmp_path / "ct" / "up").symlink_to(tmp_path)  # a circle
    (tmp_path / "ct" / "other").symlink_to(tmp_path / "else")
    (tmp_path / "ct" / "file").symlink_to(tmp_path / "else" / "2")
    (tmp_path / "ct" / "itself").symlink_to(tmp_path / "ct" / "itself")
    (tmp_path / "ct" / "nowhere").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "ct" / "pipe")  # opening it would wait for ever
    found = below(tmp_path / "ct")
    assert found.files == (tmp_path / "ct" / "1", tmp_path / "ct" / "file")
    assert found.told() == ["2 files or folders that cannot be read", "2 links to folders, not followed"]


def test_a_path_that_is_a_link_is_walked(tmp_path: Path) -> None:
    touched(tmp_path / "real" / "1")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert below(tmp_path / "link").files == (tmp_path / "link" / "1",)


def test_a_path_deeper_than_the_system_opens_stops_nothing(tmp_path: Path) -> None:
    touched(tmp_path / "a" / "1")
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(25):  # 25 x 200 letters: more than PATH_MAX
            os.mkdir("x" * 200, dir_fd=here)
            inner = os.open("x" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
    finally:
        os.close(here)
    found = below(tmp_path)
    assert (found.files, found.unreadable) == ((tmp_path / "a" / "1",), 1)


CODE = """
import os, sys
from pathlib import Path
from inference.workbench.units import gathered
with gathered(Path(sys.argv[1])):
    os.setgid({nobody}), os.setuid({nobody})
with gathered(Path(sys.argv[1])) as found:
    print([u.key for u in found.units], found.ignored)
"""
"""What is imported late is imported by root: where Python lies, nobody may not read."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_this_user_may_not_read_is_counted_and_the_rest_is_found(tmp_path: Path) -> None:
    """A closed folder, one whose names alone are seen, a DICOM and a NIfTI file."""
    save(stack_of(3), tmp_path / "open")
    for name in ("closed", "listed"):
        save(stack_of(3, name=name), tmp_path / name)
    (tmp_path / "closed").chmod(0o700)
    (tmp_path / "listed").chmod(0o744)
    secret, volume = save(stack_of(1, name="secret"), tmp_path / "some")[0], tmp_path / "some" / "a.nii"
    volume.write_bytes(b"x")
    for path in (secret, volume):
        path.chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    command = [sys.executable, "-c", CODE.format(nobody=NOBODY), str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert uid("open") not in said.stdout  # its name is "series"
    assert f"['{uid('series')}']" in said.stdout
    assert said.stdout.rstrip().endswith("6 files or folders that cannot be read")


def test_names_of_any_bytes_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "Müller^Jörg 頭部"
    paths = save(stack_of(3), folder)
    paths[0].rename(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe \n.dcm"))  # no UTF-8
    with gathered(tmp_path) as found:
        (unit,) = found.units
    assert (unit.key, len(unit.files)) == (uid("series"), 3)
    assert "Müller" not in found.ignored


def test_what_macos_leaves_beside_files_is_foreign(tmp_path: Path) -> None:
    touched(tmp_path / "._a.nii.gz", tmp_path / "._IM1")
    with gathered(tmp_path) as found:
        assert (found.units, found.ignored) == ((), "2 foreign files, 0 DICOMDIR, 0 copies")
