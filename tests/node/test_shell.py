"""The commands in a shell: progress on a terminal alone, JSON that is JSON, exit codes, completion."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.audit.auditing import Auditing
from node.config import Config, Storage
from storage import events
from storage.ledger import Ledger
from storage.records import Event
from tests.node.test_commands_store import Stored

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = "import sys; sys.argv[0] = 'ctnode'; from node.__main__ import main; main()"
"""As the installed script begins: completion goes by the name of the program."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str


def shell(*words: str, terminal: bool, **environment: str) -> Ran:
    """Standard output to a pipe; standard error to a terminal of 80 columns, or to a pipe."""
    ours, theirs = os.openpty() if terminal else os.pipe()
    plain = {"COLUMNS": "80", "TERM": "xterm"} | environment
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE, stderr=theirs, cwd=REPOSITORY, env=os.environ | plain,
    )  # fmt: skip
    os.close(theirs)
    out, _ = process.communicate(timeout=120)
    err = b""
    with suppress(OSError):  # EIO: the other side of the terminal is closed
        while read := os.read(ours, 65536):
            err += read
    os.close(ours)
    return Ran(code=process.returncode, out=out.decode(), err=err.decode())


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a node that has run: three instances, and a line of audit."""
    stored = Stored(tmp_path_factory.mktemp("node"))
    ledger = Ledger(f"sqlite:///{stored.root / 'ledger.sqlite'}")
    with ledger.writing() as connection:
        events.tell(connection, Event(at=1.0, kind="console", subject="eve", detail="logged out"))
    Auditing(Config(storage=Storage(root=stored.root)), ledger, clock=lambda: 1.0).audit()
    ledger.close()
    return stored.config


LONG = {
    "audit verify": ("audit", "verify"),
    "store verify": ("store", "verify"),
    "store export": ("store", "export", "{folder}"),
}


@pytest.mark.parametrize("name", LONG)
def test_what_may_take_long_shows_how_long_on_a_terminal_and_only_there(
    config: Path, tmp_path: Path, name: str
) -> None:
    def run(number: int, *more: str, terminal: bool) -> Ran:
        words = [word.format(folder=tmp_path / str(number)) for word in LONG[name]]
        return shell(*words, *more, "--config", str(config), terminal=terminal)

    seen = run(1, terminal=True)
    assert (seen.code, "left" in seen.err) == (0, True)
    assert "left" not in seen.out and "\x1b" not in seen.out
    piped = run(2, terminal=False)
    assert (piped.code, piped.err) == (0, "")
    assert piped.out.split()[0] == seen.out.split()[0]
    asked = run(3, "--json", terminal=True)
    assert (asked.code, asked.err) == (0, "")
    assert isinstance(json.loads(asked.out), dict)


def test_a_series_is_simulated_with_a_bar(tmp_path: Path) -> None:
    words = ("--region", "pelvis", "--matrix", "64", "--spacing-mm", "20", "--seed", "1")
    seen = shell("simulate", str(tmp_path / "ct"), *words, terminal=True)
    assert seen.code == 0
    assert "drawing" in seen.err and "writing" in seen.err and "left" in seen.err


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    line = " ".join(("ctnode", *words))
    return shell(
        terminal=False,
        _CTNODE_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words)),
    ).out.split()


def test_the_shell_is_told_how_to_complete() -> None:
    """Asked in a shell, it knows which one."""
    asked = f"{shlex.join([sys.executable, '-c', PROGRAM, '--show-completion'])}; true"
    script = subprocess.run(
        ["bash", "-c", asked], capture_output=True, text=True, cwd=REPOSITORY, timeout=120, check=True
    ).stdout
    assert "complete -o default -F _ctnode_completion ctnode" in script
    checked = subprocess.run(["bash", "-n"], input=script, text=True, check=False)
    assert checked.returncode == 0


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("au",), {"audit", "audit-tags"}),
        (("audit", "v"), {"verify"}),
        (("audit", "verify", "--j"), {"--json"}),
        (("queue", ""), {"list", "retry", "release"}),
    ],
)
def test_the_shell_completes_verbs_and_options(words: tuple[str, ...], offered: set[str]) -> None:
    assert set(completed(*words)) == offered


def test_status_is_a_glance_wide(config: Path) -> None:
    seen = shell("status", "--config", str(config), terminal=False)
    assert seen.code == 0
    assert max(map(len, seen.out.splitlines())) <= 80
