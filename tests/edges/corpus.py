"""Every synthetic edge, by name, and its files on disk."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

from tests.edges import bodies, gaps, headers, mixing, multiframe, pixels, placing, strangers
from tests.edges.stacks import Files

CHAPTERS: dict[str, ModuleType] = {
    "One stack: order, plane, tilt": placing,
    "One stack: gaps, repeats, changing spacing": gaps,
    "One series, several volumes": mixing,
    "One series, strangers in it": strangers,
    "Headers": headers,
    "Stored values and encodings": pixels,
    "Multi-frame": multiframe,
    "What only the pixels show": bodies,
}
"""Title in the table -> module whose public functions are its edges."""


def edges_of(module: ModuleType) -> dict[str, Callable[[], Files]]:
    """The edges of a chapter, in the order in which they are written."""
    functions = [
        f for _, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__
    ]
    public = [f for f in functions if not f.__name__.startswith("_")]
    return {f.__name__: f for f in sorted(public, key=lambda f: f.__code__.co_firstlineno)}


EDGES: dict[str, Callable[[], Files]] = {
    name: make for module in CHAPTERS.values() for name, make in edges_of(module).items()
}


def described(make: Callable[[], Files]) -> tuple[str, str]:
    """What the files are, and where the edge is documented: the two paragraphs of the docstring."""
    what, documented = (inspect.getdoc(make) or "").split("\n\n")
    return " ".join(what.split()), " ".join(documented.removeprefix("Documented:").split())


def write(files: Files, folder: Path) -> Path:
    """The files in a new folder, named in their order; returns it."""
    folder.mkdir(parents=True)
    for n, ds in enumerate(files.slices, start=1):
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.save_as(folder / f"{n:03d}.dcm", enforce_file_format=True)
    for name, content in files.others.items():
        (folder / name).write_bytes(content)
    return folder


@cache
def files_of(name: str) -> Files:
    """The files of an edge, made once."""
    return EDGES[name]()
