"""Places are counted over processes, and those of a process that dies are free again."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from node.places import EVERYBODY, REGION_BYTES, Places, region

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from pathlib import Path
from node.places import Places
places = Places(Path(sys.argv[1]))
whose = sys.argv[3:] or [""]
print(*[places.take(int(sys.argv[2]), each) is not None for each in whose for _ in range(3)], flush=True)
sys.stdin.read()
"""


def another(root: Path, limit: int, *whose: str) -> tuple[subprocess.Popen[str], str]:
    """A process that takes three places of each, and holds them until it ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root), str(limit), *whose],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("ending", [signal.SIGKILL, None])
def test_processes_share_a_limit_and_a_dead_one_holds_nothing(
    tmp_path: Path, ending: signal.Signals | None
) -> None:
    places = Places(tmp_path)
    mine = places.take(4)
    assert mine == 0
    other, told = another(tmp_path, 4)
    assert told == "True True True"
    assert places.take(4) is None
    assert another(tmp_path, 4)[1] == "False False False"
    if ending is not None:
        other.send_signal(ending)
    other.communicate(timeout=20)
    assert [places.take(4) for _ in range(4)] == [1, 2, 3, None]
    places.give_back(mine)
    assert places.take(4) == 0
    places.close()


def test_an_ae_title_has_places_of_its_own(tmp_path: Path) -> None:
    places = Places(tmp_path)
    assert [places.take(1, whose) is not None for whose in ("", "A", "B", "A", "")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    other, told = another(tmp_path, 2, "A", "C")
    assert told == "True False False True True False"
    other.communicate(timeout=20)
    places.close()


def test_regions_of_ae_titles_do_not_meet() -> None:
    begins = sorted(region(f"AE{number}") for number in range(1000))
    assert region("") == 0 and begins[0] >= REGION_BYTES
    assert all(b - a >= REGION_BYTES for a, b in pairwise(begins))
    assert begins[-1] < 1 << 62  # an offset is signed, of 64 bits


def test_threads_never_get_the_same_place(tmp_path: Path) -> None:
    places, taken = Places(tmp_path), []

    def take() -> None:
        taken.extend(places.take(40) for _ in range(10))

    takers = [threading.Thread(target=take) for _ in range(8)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert sorted(p for p in taken if p is not None) == list(range(40))
    assert taken.count(None) == 40
    places.close()


def test_the_places_go_when_they_are_closed(tmp_path: Path) -> None:
    places = Places(tmp_path)
    assert places.take(1) == 0
    places.close()
    again = Places(tmp_path)
    assert again.take(1) == 0
    again.close()


def test_all_or_none_of_several_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(tmp_path)
    limits = {EVERYBODY: 2, "CT1": 1}
    assert places.take_all(limits) == (0, region("CT1"))
    assert places.take_all(limits) == "CT1"
    assert places.take(2) == 1  # given back
    assert places.take_all(limits) == EVERYBODY
    places.give_back(1)
    take = places.take

    def unlockable(limit: int, whose: str = EVERYBODY) -> int | None:
        if whose:
            raise OSError(errno.ENOLCK, "No locks available")
        return take(limit, whose)

    monkeypatch.setattr(places, "take", unlockable)
    with pytest.raises(OSError, match="No locks"):
        places.take_all(limits)
    assert take(2) == 1  # not lost
