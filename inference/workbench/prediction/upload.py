"""A request's body, streamed to files: never in memory, never above the limit, under no name of its own."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing, suppress
from pathlib import Path
from typing import BinaryIO, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from inference.workbench.prediction.problem import Problem, too_large
from inference.workbench.prediction.settings import MB

MULTIPART: Final = b"multipart/form-data"
MOST_FILES: Final = 20_000
"""Of one request; more belong into an archive."""

DRAIN_BYTES: Final = 64 * MB
"""Read and thrown away after a refusal: a client that is still sending would not see the answer."""

FULL: Final = (errno.ENOSPC, errno.EDQUOT)

DISPOSITION: Final = b"content-disposition"


async def receive(request: Request, folder: Path, *, limit_mb: int, silent_limit_s: float) -> int:
    """Write the files of a request into a folder, named by their number; says how many.

    A body of multipart/form-data holds any number of files; any other is one file.

    Raises:
        Problem: 413 above the limit; 400 of a body that is no form, ends too early or holds no file; 408
            where nothing more comes; 507 where the disk is full.
    """
    try:
        _check_announced(request, limit_mb)
        with closing(Files(folder)) as files:
            await _write(request, _sink(request, files), limit_mb, silent_limit_s)
    except FormParserError as error:
        raise Problem(400, "unreadable", "the body is no multipart/form-data that can be read") from error
    except ClientDisconnect as error:
        raise Problem(400, "unreadable", "the body ended before its end") from error
    except OSError as error:
        raise _of_disk(error) from error
    except Problem as problem:
        if problem.status == 413:
            await drain(request, silent_limit_s)
        raise
    if not files.count:
        raise Problem(400, "unreadable", "the request holds no file")
    return files.count


class Files:
    """The files of one request, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._folder = folder
        self._open: BinaryIO | None = None

    def begin(self) -> None:
        """The next file. Raises Problem, OSError."""
        self.close()
        self.count += 1
        if self.count > MOST_FILES:
            raise Problem(
                413, "too large", f"more than {MOST_FILES} files in one request: send a zip archive"
            )
        self._open = (self._folder / f"{self.count:07d}").open("xb")

    def write(self, data: bytes) -> None:
        """Of the file that was begun; without one, it is thrown away. Raises OSError."""
        if self._open is not None:
            self._open.write(data)

    def close(self) -> None:
        """End the file. Raises OSError."""
        if self._open is not None:
            self._open.close()
            self._open = None


class _Plain:
    """A body that is one file."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def write(self, data: bytes) -> None:
        if data and not self._files.count:
            self._files.begin()
        self._files.write(data)

    def finish(self) -> None:
        pass


class _Form:
    """A body of multipart/form-data (RFC 7578): parts with a file name are files, others are passed over."""

    def __init__(self, files: Files, boundary: bytes) -> None:
        self._files = files
        self._name, self._value = b"", b""
        self._is_file = self._is_whole = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_begin": self._header_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._part_data,
                "on_part_end": files.close,
                "on_end": self._ends,
            },
        )

    def write(self, data: bytes) -> None:
        self._parser.write(data)

    def finish(self) -> None:
        self._parser.finalize()
        if not self._is_whole:
            raise Problem(400, "unreadable", "the form ends before its last boundary")

    def _part_begins(self) -> None:
        self._is_file = False

    def _header_begins(self) -> None:
        self._name, self._value = b"", b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._name.lower() == DISPOSITION:
            self._is_file = bool(parse_options_header(self._value.decode("latin-1"))[1].get(b"filename"))

    def _headers_end(self) -> None:
        if self._is_file:
            self._files.begin()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._files.write(data[start:end])

    def _ends(self) -> None:
        self._is_whole = True


def _sink(request: Request, files: Files) -> _Plain | _Form:
    kind, options = parse_options_header(request.headers.get("content-type"))
    return _Form(files, options.get(b"boundary", b"")) if kind == MULTIPART else _Plain(files)


async def _write(request: Request, sink: _Plain | _Form, limit_mb: int, silent_limit_s: float) -> None:
    total = 0
    async with aclosing(_chunks(request, silent_limit_s)) as chunks:
        async for chunk in chunks:
            total += len(chunk)
            if total > limit_mb * MB:
                raise too_large(limit_mb)
            sink.write(chunk)
    sink.finish()


async def _chunks(request: Request, silent_limit_s: float) -> AsyncGenerator[bytes, None]:
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(silent_limit_s):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            told = f"nothing came for {silent_limit_s:g} s"
            raise Problem(408, "too slow", told) from error
        yield chunk


def _check_announced(request: Request, limit_mb: int) -> None:
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told) > limit_mb * MB:
        raise too_large(limit_mb)


async def drain(request: Request, silent_limit_s: float) -> None:
    """Read what a client still sends, up to DRAIN_BYTES, unless it waits to be asked for it."""
    if "expect" in request.headers:
        return
    left = DRAIN_BYTES
    with suppress(Problem, ClientDisconnect, RuntimeError):  # RuntimeError: it was read to its end
        async with aclosing(_chunks(request, silent_limit_s)) as chunks:
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    return


def _of_disk(error: OSError) -> Problem:
    if error.errno in FULL:
        return Problem(507, "out of space", "the disk is full: nothing more can be received")
    return Problem(500, "internal error", f"an upload cannot be written: {error.strerror}")
