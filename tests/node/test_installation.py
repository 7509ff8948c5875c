"""One Device UID, and one secret, for the life of an installation."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from storage.blobs import is_uid
from storage.installation import FILE_NAME, KEY_BYTES, KEY_FILE_NAME, device_uid, patient_key


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    first = device_uid(tmp_path)
    assert is_uid(first) and first.startswith("2.25.")
    assert device_uid(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_another_installation_has_another(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert device_uid(tmp_path / "a") != device_uid(tmp_path / "b")


def test_whoever_is_first_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process made it between the look and the link."""
    exists = Path.exists

    def not_yet(path: Path) -> bool:
        if path.name == FILE_NAME and not exists(path):
            path.write_text("2.25.7\n")
            return False
        return exists(path)

    monkeypatch.setattr(Path, "exists", not_yet)
    assert device_uid(tmp_path) == "2.25.7"
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_threads_agree(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(device_uid(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert len(set(found)) == 1


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = patient_key(tmp_path)
    assert len(first) == KEY_BYTES and patient_key(tmp_path) == first
    assert (tmp_path / KEY_FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE_NAME]
    (tmp_path / "other").mkdir()
    assert patient_key(tmp_path / "other") != first
