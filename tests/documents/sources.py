"""What the packages' source files say, read without importing them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.documents.blocks import ROOT

PACKAGES = ("node", "inference", "storage")


def source_files() -> list[Path]:
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def constants(function: str, keyword: str | None) -> set[str]:
    """The string constants given to calls of a function, of each branch: by keyword, or the first."""
    found = set()
    for file in source_files():
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or _name(node.func) != function:
                continue
            given = node.args[:1] if keyword is None else [k.value for k in node.keywords if k.arg == keyword]
            found |= {word for value in given for word in _words(value)}
    return found


def _words(value: ast.expr) -> set[str]:
    """A string, or those of both branches of a conditional expression."""
    if isinstance(value, ast.IfExp):
        return _words(value.body) | _words(value.orelse)
    return {value.value} if isinstance(value, ast.Constant) and isinstance(value.value, str) else set()


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def sentences(module: str, function: str | None = None) -> set[str]:
    """What a module may say: module-level strings of several words, and the longest part of each f-string.

    Messages of exceptions are left out.

    Args:
        module: its file, below the root.
        function: this one alone; the whole module by default.
    """
    tree: ast.AST = ast.parse((ROOT / module).read_text())
    if function is not None:
        tree = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function)
    texts = [*_constants_of(tree), *(_longest(s) for s in _without_raises(tree))]
    return {text.strip(" :;,(") for text in texts if " " in text.strip(" ")}


def _constants_of(tree: ast.AST) -> Iterator[str]:
    """Values, and keys of tables, that are given to a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            told = node.value.keys if isinstance(node.value, ast.Dict) else [node.value]
            yield from (t.value for t in told if isinstance(t, ast.Constant) and isinstance(t.value, str))


def _without_raises(tree: ast.AST) -> Iterator[ast.JoinedStr]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.JoinedStr):
            yield node
        elif not isinstance(node, ast.Raise):
            yield from _without_raises(node)


def _longest(text: ast.JoinedStr) -> str:
    parts = [p.value for p in text.values if isinstance(p, ast.Constant) and isinstance(p.value, str)]
    return max(parts, key=len, default="")
