"""Every command, option, file and import that a document shows is there."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.main

from node.program import app
from tests.documents.blocks import ROOT

README = ROOT / "README.md"
SHOWN = [README, ROOT / "CHANGELOG.md", ROOT / "config.yaml", *sorted((ROOT / "deploy").glob("*.md"))]
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
COMMAND = re.compile(r"(?:^|[\s/`])ctnode ([^\n`|#]+)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
NAMED_FILE = re.compile(r"`((?:inference|node|storage|tests|deploy)/[\w./-]*)`|\]\(([\w./-]+)\)")

OTHERS = {"--strict", "--age-s", "--kills", "--minutes", "--seconds"}
"""Options of other programs: mypy's, and those of the harnesses in tests."""

WEIGHTS = ROOT / "inference" / "weights"


def code(document: Path) -> str:
    return "\n".join(CODE.findall(document.read_text()))


def command_at(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words after them."""
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def options(command: Any) -> set[str]:
    """Of a command, or of all commands of a group."""
    own = {o for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")}
    return own.union({"--help"}, *(options(c) for c in getattr(command, "commands", {}).values()))


@pytest.mark.parametrize("document", SHOWN, ids=lambda path: path.name)
def test_every_command_that_a_document_shows_can_be_typed(document: Path) -> None:
    wrong = []
    for line in COMMAND.findall(code(document)):
        command, rest = command_at(line.split())
        unknown = [o for o in OPTION.findall(" ".join(rest)) if o not in options(command)]
        words = [word for word in rest if not word.startswith("-")]
        if unknown or (hasattr(command, "commands") and words):
            wrong.append(line)
    assert wrong == []


@pytest.mark.parametrize("document", SHOWN, ids=lambda path: path.name)
def test_every_option_that_a_document_shows_is_one_of_ours(document: Path) -> None:
    shown = set(OPTION.findall(code(document)))
    assert sorted(shown - options(typer.main.get_command(app)) - OTHERS) == []


def test_the_readme_shows_every_option_of_training_and_evaluation() -> None:
    shown = set(OPTION.findall(code(README)))
    wanted = options(command_at(["train"])[0]) | options(command_at(["evaluate"])[0])
    assert {"--card", "--patients"} <= wanted
    assert sorted(wanted - shown - {"--help"}) == []


def test_the_readme_shows_how_each_network_is_trained() -> None:
    examples = "\n".join(
        SHELL.findall(README.read_text())
    )  # the table of all verbs is made, and proves nothing
    shown = {tuple(line.split()[:2]) for line in COMMAND.findall(examples)}
    verbs = set(command_at(["train"])[0].commands)
    assert "levels" in verbs
    assert sorted(verb for verb in verbs if ("train", verb) not in shown) == []


def test_the_readme_imports_what_is_there() -> None:
    blocks = PYTHON.findall(README.read_text())
    assert blocks
    for block in blocks:
        tree = ast.parse(block)
        imported = {n: getattr(import_module(m), n) for m, n in _imports(tree)}
        made = {v: owner for v, owner in _made(tree) if owner in imported}
        for name, attribute in _attributes(tree):
            owner = imported.get(made.get(name, name))
            assert owner is None or hasattr(owner, attribute), f"{name}.{attribute}"


def _imports(tree: ast.AST) -> list[tuple[str, str]]:
    froms = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    return [(str(n.module), alias.name) for n in froms for alias in n.names]


def _made(tree: ast.AST) -> list[tuple[str, str]]:
    """Variable and class of each `variable = Class.load(...)`."""
    found = []
    for n in ast.walk(tree):
        if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call) and isinstance(n.targets[0], ast.Name):
            made_by = n.value.func
            if isinstance(made_by, ast.Attribute) and isinstance(made_by.value, ast.Name):
                found.append((n.targets[0].id, made_by.value.id))
    return found


def _attributes(tree: ast.AST) -> list[tuple[str, str]]:
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    return [(n.value.id, n.attr) for n in found if isinstance(n.value, ast.Name)]


@pytest.mark.parametrize("document", SHOWN, ids=lambda path: path.name)
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    named = [a or b for a, b in NAMED_FILE.findall(document.read_text())]
    bases = (ROOT, document.parent)
    missing = [n for n in named if not any((base / n).exists() for base in bases)]
    made_later = [n for n in missing if WEIGHTS in ((ROOT / n), *(ROOT / n).parents)]
    assert sorted(set(missing) - set(made_later)) == []
    if made_later:
        pytest.skip("the weights and their card are not in this tree")


def test_training_calls_its_files_as_the_documents_say() -> None:
    for verb, name in (("loop", "score.safetensors"), ("levels", "levels.json")):
        assert f'"{name}"' in (ROOT / "inference" / "training" / f"{verb}.py").read_text()
        assert f"`{name}`" in (ROOT / "deploy" / "RUNBOOK.md").read_text()


def every_command(group: Any, name: str = "ctnode") -> list[tuple[str, Any]]:
    found = []
    for word, command in getattr(group, "commands", {}).items():
        inner = every_command(command, f"{name} {word}")
        found += inner or [(f"{name} {word}", command)]
    return [each for each in found if not each[1].hidden]


COMMANDS = dict(every_command(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_options_is_explained(name: str) -> None:
    command = COMMANDS[name]
    assert (command.help or "").strip().split("\n")[0].endswith((".", "?"))
    silent = [p.name for p in command.params if not getattr(p, "hidden", False) and not p.help]
    assert silent == [], f"{name}: no help"


def test_what_prints_data_prints_json_too() -> None:
    """Commands of the node that answer with what they found: for programs too."""
    data = ("status", "doctor", "queue list", "store list", "store verify", "users list", "peers list")
    for words in (*data, "peers test", "audit show", "replay"):
        assert "--json" in options(COMMANDS[f"ctnode {words}"]), words
