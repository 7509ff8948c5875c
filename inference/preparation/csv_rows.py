"""Rows of a user's CSV file, with their line numbers."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from pathlib import Path

from storage.errors import ConfigError


def rows(path: Path, needed: Collection[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, column to text without blanks about it) of each line that is not empty.

    Raises:
        ConfigError: the file cannot be read, or a needed column is missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} cannot be read: {type(error).__name__}") from error
    reader = csv.DictReader(text.splitlines())
    missing = sorted(set(needed) - set(reader.fieldnames or ()))
    if missing:
        raise ConfigError(f"{path.name}: no column {', '.join(missing)}; there are {reader.fieldnames}")
    for row in reader:
        found = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
        if any(found.values()):
            yield reader.line_num, found


def number(path: Path, line: int, column: str, text: str) -> float | None:
    """The number of a cell; None where it is empty.

    Raises:
        ConfigError: it is no finite number.
    """
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value - value != 0:  # NaN and infinity
        raise ConfigError(f"{path.name} line {line}: {column} is {text!r}, not a number")
    return value
