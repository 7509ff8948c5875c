"""The configuration that runs: written by the supervisor, read by its processes.

Not the file itself: a process that is started again must not meet a file that is broken at that moment, nor
ports and folders that wait for the next start of the node. The database's URL, which may hold a password,
goes by the environment.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from node.config import Config
from storage.errors import ConfigError

RUNNING: Final = "CTNODE_RUNNING"
"""In the environment of a process that the supervisor started: the file that holds what runs."""
LEDGER_URL: Final = "CTNODE_LEDGER_URL"
"""The database's URL: not as an argument, which others could read."""
FILE: Final = "running-config.json"


def write(config: Config) -> Path:
    """Say what runs from now on, at once; the file. Raises OSError."""
    file = config.storage.root.absolute() / FILE
    temporary = file.with_name(f".{FILE}")
    temporary.unlink(missing_ok=True)
    text = config.model_dump_json(exclude={"storage": {"database"}}, indent=1)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write(text)
    temporary.replace(file)
    return file


def is_told() -> bool:
    """Whether this process is told what runs."""
    return RUNNING in os.environ


def read() -> Config:
    """What runs.

    Raises:
        ConfigError: it cannot be read.
    """
    file = Path(os.environ[RUNNING])
    try:
        values = json.loads(file.read_bytes())
        values["storage"]["database"] = os.environ[LEDGER_URL]
        return Config.model_validate_json(json.dumps(values))
    except (OSError, ValueError, KeyError, ValidationError) as error:
        raise ConfigError(f"{file}: cannot be read: {type(error).__name__}") from error
