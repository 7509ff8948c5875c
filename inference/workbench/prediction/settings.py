"""What the server is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
PORT: Final = 8090
MB: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class PredictionSettings:
    """Of one server; it can be sent to another process."""

    token: str  # whoever has it may send files and see results
    spool: Path  # where uploads lie while they are analysed
    host: str = LOOPBACK  # address to listen on
    port: int = PORT  # 0: any that is free
    names: tuple[str, ...] = ()  # host names by which it is called, besides localhost and addresses
    upload_limit_mb: int = 2000  # of one request; 1 MB is 1,000,000 bytes
    unpacked_limit_mb: int = 8000  # of all archives of one request together, and of one NIfTI file
    waiting_limit: int = 4  # requests that wait while one is analysed; more are answered 503
    limit_s: float = 1800.0  # an analysis that takes longer is given up
    silent_limit_s: float = 60.0  # an upload of which nothing comes for so long is given up
    kept: int = 20  # results kept in memory; then the oldest goes
    device: str = "auto"  # of the models

    @property
    def upload_limit_bytes(self) -> int:
        """Of one request's body."""
        return self.upload_limit_mb * MB

    @property
    def unpacked_limit_bytes(self) -> int:
        """Of what a request is unpacked to."""
        return self.unpacked_limit_mb * MB
