"""The sections of the configuration that say what this node does with what it is sent.

`config.yaml` is the manual (see `node.config`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from node.config_types import Days, Device, Seconds, Section, StoreKind
from node.retry import DAY_S, RetryPolicy
from storage.pace import Bounds, Quiet

DATABASES: Final = ("sqlite", "postgresql+psycopg")


def _driver(url: str) -> str | None:
    try:
        return make_url(url).drivername
    except ArgumentError:
        return None


LONG_QUIETS: Final = 15
"""How many times the short quiet the long one is where none is written: who wants one shorter wants both."""


class Assembly(Section):
    """When a series counts as complete."""

    quiet_s: Seconds = 4  # silence after the last instance, where the slices look whole; until it is learned
    quiet_min_s: Seconds = 2  # what it becomes at least, as the pauses of a caller teach
    quiet_max_s: Seconds = 15  # and at most
    long_quiet_s: Seconds | None = None  # silence where nothing else says so; None: LONG_QUIETS times quiet_s
    long_quiet_min_s: Seconds = 20
    long_quiet_max_s: Seconds = 300
    cap_s: Seconds = 1800  # a series that never falls silent is taken as it is after this time

    @field_validator("quiet_max_s", "long_quiet_max_s")
    @classmethod
    def _max_after_min(cls, value: float, info: ValidationInfo) -> float:
        least = str(info.field_name).replace("max", "min")
        if (least_s := info.data.get(least, 0)) > value:
            raise ValueError(f"{value:g} is less than assembly.{least} ({least_s:g})")
        return value

    @field_validator("cap_s")
    @classmethod
    def _cap_after_quiet(cls, value: float, info: ValidationInfo) -> float:
        if (quiet_s := info.data.get("quiet_s", 0)) > value:
            raise ValueError(f"{value:g} is less than assembly.quiet_s ({quiet_s:g})")
        return value

    @property
    def bounds(self) -> Bounds:
        """What the quiet times are and may become; those written always lie within, and long is not short."""
        long_s = max(self.quiet_s, self.long_quiet_s or LONG_QUIETS * self.quiet_s)
        return Bounds(
            untaught=Quiet(short_s=self.quiet_s, long_s=long_s),
            least=Quiet(
                short_s=min(self.quiet_s, self.quiet_min_s), long_s=min(long_s, self.long_quiet_min_s)
            ),
            most=Quiet(
                short_s=max(self.quiet_s, self.quiet_max_s), long_s=max(long_s, self.long_quiet_max_s)
            ),
        )


class Storage(Section):
    """Where instances and the ledger are kept."""

    root: Annotated[Path, Field(strict=False)] = Path("ctnode-data")  # files; relative to the YAML file
    database: SecretStr | None = None  # database URL; None: SQLite in the root. Never printed
    store: StoreKind = "segments"  # how instances are kept: segments, or files
    segment_mb: Annotated[int, Field(ge=4, le=16384)] = 256  # size of a segment
    spare_segments: Annotated[int, Field(ge=0, le=64)] = 2  # written and waiting to be used
    reserve_mb: Annotated[int, Field(ge=0)] = 2048  # free space below which new associations wait
    retention_days: Days = 30  # age at which delivered instances are removed; 0 keeps them for ever

    @field_validator("root")
    @classmethod
    def _beside_the_file(cls, value: Path, info: ValidationInfo) -> Path:
        base: Path = (info.context or {}).get("folder", Path())
        return base / value.expanduser()

    @field_validator("database")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and _driver(value.get_secret_value()) not in DATABASES:
            raise ValueError(
                "is not the URL of a database we know: sqlite:////absolute/path.sqlite "
                "or postgresql+psycopg://user:password@host/name"
            )
        return value

    @property
    def database_url(self) -> str:
        """The database's URL, its password included: for the engine alone, never for a log."""
        if self.database is not None:
            return self.database.get_secret_value()
        return f"sqlite:///{self.root.absolute() / 'ledger.sqlite'}"

    @property
    def database_shown(self) -> str:
        """The database's URL with neither user, password nor options, for logs and pages."""
        url = make_url(self.database_url)
        return str(URL.create(url.drivername, host=url.host, port=url.port, database=url.database))


class Inference(Section):
    """Where models run."""

    device: Device = "auto"  # auto, cpu, cuda or cuda:N


class Delivery(Section):
    """How results are sent again when a peer does not take them."""

    retry_first_s: Seconds = 30  # wait before the second attempt; doubles with each attempt
    retry_max_s: Seconds = 900  # longest wait between two attempts
    give_up_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 7  # then a person must look

    @field_validator("retry_max_s")
    @classmethod
    def _max_after_first(cls, value: float, info: ValidationInfo) -> float:
        if (first_s := info.data.get("retry_first_s", 0)) > value:
            raise ValueError(f"{value:g} is less than delivery.retry_first_s ({first_s:g})")
        return value

    @property
    def retry_policy(self) -> RetryPolicy:
        """The same in seconds."""
        give_up_s = self.give_up_days * DAY_S
        return RetryPolicy(first_s=self.retry_first_s, max_s=self.retry_max_s, give_up_s=give_up_s)


class Query(Section):
    """How a PACS is asked how many instances a series has (`query_for` of a peer)."""

    quiet_s: Seconds = 2  # silence of a series before it is asked for
    every_s: Seconds = 4  # between two questions; a count holds when two answers agree
    timeout_s: Seconds = 5  # for each step of a question


class Commitment(Section):
    """What we answer to requests for storage commitment."""

    wait_s: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 60  # for what is not here yet


class Proof(Section):
    """How destinations are asked whether they keep what they have (`commitment`, `read_back`)."""

    report_wait_s: Seconds = 5  # an association of ours stays open for the N-EVENT-REPORT
    answer_hours: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 24  # then it is asked anew, and told
