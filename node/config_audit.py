"""The section of the configuration about the audit trail.

`config.yaml` is the manual (see `node.config`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationInfo, field_validator

from node.config_types import Host, Port, Section

FILE_NAME: Final = "audit.log"
"""In the storage root, where no other file is named."""


class Audit(Section):
    """Who did what with which study: DICOM audit messages (PS3.15 A.5)."""

    enabled: bool = True  # whether anything is audited
    file: Annotated[Path, Field(strict=False)] | None = (
        None  # that grows; None: FILE_NAME in the storage root
    )
    file_mb: Annotated[int, Field(ge=1)] = 64  # megabytes after which another file is begun
    file_days: Annotated[int, Field(ge=1)] = 30  # days after which it is
    retention_days: Annotated[int, Field(ge=0)] = 0  # after which a file that ended is removed; 0: never
    syslog_host: Host | None = None  # gets every message too; None: there is only the file
    syslog_port: Port = 6514  # of syslog over TLS, RFC 5425 4.1
    syslog_authorities: Annotated[Path, Field(strict=False)] | None = None  # who signs its certificate, PEM

    @field_validator("file", "syslog_authorities")
    @classmethod
    def _beside_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        base: Path = (info.context or {}).get("folder", Path())
        return None if value is None else base / value.expanduser()
