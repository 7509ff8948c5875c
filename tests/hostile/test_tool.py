"""The tool itself: it says of other SCPs what is true, also where that is bad."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from node.commands_hostile import hostile
from node.hostile.suite import Outcome, chosen, outcomes
from storage.errors import ConfigError
from tests.e2e.ports import free_port
from tests.hostile.scps import aimed, believer, mute
from tests.node.receiving import dcmtk, receiver
from tests.waiting import eventually

OPTIONS: dict[str, Any] = {
    "calling": "SCU",
    "half_open": 20,
    "associations": 5,
    "endless_mb": 1,
    "patience_s": 3.0,
    "as_json": True,
}


def found(port: int, words: str, *, called: str = "CTNODE") -> dict[str, Outcome]:
    return {each.attack.name: each for each in outcomes(aimed(port, called=called), chosen(words))}


def test_an_scp_that_believes_everything_is_found_out() -> None:
    with believer() as port:
        duplicate = found(port, "again with other content")["an instance again with other content"]
        differing = found(port, "other than in the command")
        stranger = found(port, "called AE title that nobody has")["called AE title that nobody has"]
        endless = found(port, "a data set without end")["a data set without end"]
    assert (duplicate.ok, duplicate.happened, duplicate.good_peer) == (False, "response 0000", "")
    assert [(each.ok, each.happened) for each in differing.values()] == [(False, "response 0000")] * 2
    assert (stranger.ok, stranger.happened) == (False, "A-ASSOCIATE-AC 2 of 2 contexts")
    assert (endless.ok, endless.happened.split()[0]) == (False, "nothing")


def test_an_scp_that_serves_nobody_is_not_attacked() -> None:
    with mute() as port, pytest.raises(ConfigError, match="C-ECHO: a good association was not accepted"):
        hostile(f"CTNODE@127.0.0.1:{port}", only="", **OPTIONS)


def test_an_scp_that_dies_is_told() -> None:
    with believer() as port:
        attacks = outcomes(aimed(port), chosen("PDU type"))
        assert next(attacks).ok
    dead = next(attacks)
    assert not dead.ok
    assert "Connection refused" in dead.happened
    assert "Connection refused" in dead.good_peer


@pytest.mark.parametrize(
    ("target", "only", "words"),
    [
        ("CTNODE", "", "does not have the form AE@HOST:PORT"),
        ("CTNODE@localhost:0", "", "0 is not a port"),
        ("CTNODE@localhost:104", "no such attack", "no attack's name holds 'no such attack'"),
    ],
)
def test_wrong_options(target: str, only: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        hostile(target, only=only, **OPTIONS)


def test_the_figures_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with receiver(tmp_path) as node:
        code = hostile(f"CTNODE@127.0.0.1:{node.port}", only="an SSH banner", **OPTIONS)
    told = capsys.readouterr().out
    (line,) = json.loads(told[told.index("\n[\n") :] if "\n[\n" in told else told)  # behind the node's log
    assert code == 0
    assert line.pop("seconds") >= 0
    assert line == {
        "name": "an SSH banner on the DICOM port",
        "clause": "PS3.8 Table 9-10, AA-1",
        "sent": "21 bytes",
        "expected": "A-ABORT, or the connection is closed",
        "happened": "connection closed",
        "good_peer": "",
        "ok": True,
    }


def test_the_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    with believer() as port:
        code = hostile(f"CTNODE@127.0.0.1:{port}", only="SOP Class UID", **{**OPTIONS, "as_json": False})
    told = capsys.readouterr().out
    assert code == 1
    assert "NOT OK" in told
    assert told.splitlines()[-1].endswith(" ok")


@contextmanager
def storescp(folder: Path) -> Iterator[int]:
    port = free_port()
    command = [dcmtk("storescp"), "--fork", "+B", "-od", str(folder), "-aet", "HOST", str(port)]
    process = subprocess.Popen(command, env={**os.environ, "TCP_NODELAY": "1"}, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _listens(port), what="storescp to listen")
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    try:
        return not found(port, "no such attack", called="HOST")
    except OSError:
        return False


@pytest.mark.peers
def test_dcmtk_under_attack(tmp_path: Path) -> None:
    """An independent SCP: it stands what it must, and what it believes is told."""
    with storescp(tmp_path) as port:
        types = found(port, "PDU type", called="HOST")
        whole = found(port, "PDVs of two bytes", called="HOST")
        stranger = found(port, "called AE title that nobody has", called="HOST")
    assert len(types) == 8
    assert all(each.ok for each in types.values()), types
    assert [(each.ok, each.happened) for each in whole.values()] == [(True, "response 0000")]
    assert [(each.ok, each.happened) for each in stranger.values()] == [
        (False, "A-ASSOCIATE-AC 2 of 2 contexts")
    ]
