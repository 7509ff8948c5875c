"""The decoder of JPEG-LS in a process of its own: whoever kills or stalls it is seen, and does no harm.

`python -m tests.storage.jls_decoder` reads codestreams, each behind its length, and answers each by a line.
"""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import _CharLS

LENGTH: Final = struct.Struct(">I")
MEMORY_BYTES: Final = 1 << 30
DECODED_S: Final = 10


class Decoder:
    """Asks it; starts it again when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, codestream: bytes) -> dict[str, Any] | None:
        """What its header says, how many bytes it became, or the error; None where the decoder died."""
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(LENGTH.pack(len(codestream)) + codestream)
        process.stdin.flush()
        answer = process.stdout.readline()
        return dict(json.loads(answer)) if answer else None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.storage.jls_decoder"],
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        return self._process

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def answered(codestream: bytes) -> dict[str, Any]:
    """Decode one. It dies of a signal where that takes too long."""
    used_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used_s) + DECODED_S, resource.RLIM_INFINITY))
    try:
        header = _CharLS.read_header(codestream)
        return {"header": header, "bytes": len(_CharLS.decode_from_buffer(codestream))}
    except (RuntimeError, MemoryError, OverflowError, ValueError) as error:
        return {"error": str(error) or type(error).__name__}


def main() -> None:
    """Answer until nobody asks."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while head := sys.stdin.buffer.read(LENGTH.size):
        (length,) = LENGTH.unpack(head)
        print(json.dumps(answered(sys.stdin.buffer.read(length))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
