"""Help and TAB know every command, though they import none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer._completion_classes import BashComplete

from node import __main__ as entry
from node.program import app
from node.verbs import FILE
from tests.documents import outlines
from tests.documents.blocks import ROOT

WHOLE: Any = typer.main.get_command(app)
OUTLINED: Any = typer.main.get_command(entry.app)


def test_the_file_is_as_the_commands_are() -> None:
    assert FILE.read_text() == outlines.made(), "run `make docs`"


def commands(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, each in getattr(group, "commands", {}).items():
        if not each.hidden:
            yield from commands(each, *path, name)


ALL = sorted(commands(WHOLE))


def offered(command: Any, words: list[str], incomplete: str) -> list[tuple[str, str | None]]:
    completing = BashComplete(command, {}, "ctnode", "_CTNODE_COMPLETE")
    return [(item.value, item.help) for item in completing.get_completions(words, incomplete)]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_shell_is_offered_what_the_commands_themselves_would_offer(words: tuple[str, ...]) -> None:
    """Every word after them, every option, and the values of every option."""
    for incomplete in ("", "-", "--", "--c", "s"):
        assert offered(OUTLINED, [*words], incomplete) == offered(WHOLE, [*words], incomplete)
    for option, _ in offered(WHOLE, [*words], "--"):
        assert offered(OUTLINED, [*words, option], "") == offered(WHOLE, [*words, option], ""), option


def test_values_are_offered() -> None:
    found = offered(OUTLINED, ["users", "add", "bob", "--role"], "")
    assert [value for value, _ in found] == ["viewer", "operator", "admin"]


def imported(*words: str, **environment: str) -> set[str]:
    """Packages of a process that ran to its end."""
    code = (
        "import atexit, sys; sys.argv[:] = ['ctnode', *sys.argv[1:]]\n"
        "atexit.register(lambda: print('\\n'.join(sys.modules), file=sys.stderr))\n"
        "from node.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | environment, timeout=60,
    )  # fmt: skip
    return set(done.stderr.split())


SLOW = {"numpy", "pydicom", "pynetdicom", "sqlalchemy", "torch", "fastapi", "dbos", "inference"}


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        ((), {"_CTNODE_COMPLETE": "complete_bash", "COMP_WORDS": "ctnode audit v", "COMP_CWORD": "2"}),
        ((), {"_CTNODE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "ctnode st"}),
        (("--help",), {}),
    ],
)
def test_neither_help_nor_tab_imports_what_is_slow(
    words: tuple[str, ...], environment: dict[str, str]
) -> None:
    modules = imported(*words, **environment)
    assert "typer" in modules
    assert modules & SLOW == set()


def test_a_verb_imports_its_own_part() -> None:
    modules = imported("audit", "verify", "--help")
    assert "node.commands_audit" in modules
    assert {"node.commands_doctor", "node.bench", "inference", "torch"} & modules == set()
