"""What the tables of the ledger are made of: UIDs, the words of others, states, names of constraints."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Enum, MetaData, String, Text, TypeDecorator
from sqlalchemy.engine import Dialect

from storage.states import (
    CommitmentState,
    DeliveryState,
    Ending,
    PromiseState,
    Role,
    SeriesState,
    Source,
    StepState,
    Trouble,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

UID: Final = String(64)  # PS3.5 9.1
AE_LENGTH: Final = 16  # PS3.5 6.2


class Words(TypeDecorator[str]):
    """Text that others wrote, as long as there is room: PostgreSQL refuses a NUL, and what is too long.

    Never for a UID: a UID that is cut is another UID.
    """

    impl = Text
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__()
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> Text | String:  # noqa: ARG002
        return Text() if self.length is None else String(self.length)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else value.replace("\0", " ")[: self.length]


_States = (
    type[SeriesState]
    | type[DeliveryState]
    | type[Ending]
    | type[StepState]
    | type[CommitmentState]
    | type[PromiseState]
    | type[Source]
    | type[Trouble]
    | type[Role]
)


def states(members: _States) -> Enum:
    """The type of a column that holds one of these, as its value; a CHECK constraint says which there are."""
    return Enum(
        members,
        name=members.__name__.lower(),
        native_enum=False,
        create_constraint=True,
        values_callable=lambda e: [s.value for s in e],
        length=16,
    )
