"""What the columns of the ledger are made of: UIDs, the words of others, states."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Enum, String, Text, TypeDecorator
from sqlalchemy.engine import Dialect

from storage.states import CommitmentState, DeliveryState, Ending, SeriesState, Source, StepState

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
    | type[Source]
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
