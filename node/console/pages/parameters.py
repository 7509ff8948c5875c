"""What may stand in an address; anything else is answered as not found before a handler sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query

Uid = Annotated[str, Path(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)]
AccountName = Annotated[str, Path(pattern=r"^(oidc:)?[a-z0-9][a-z0-9._@-]{0,63}$")]
PeerName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Number = Annotated[int, Path(ge=0, le=100_000)]
Plane = Annotated[Literal["coronal.png", "sagittal.png"], Path()]
Words = Annotated[str, Query(max_length=128)]
"""What a person searches for."""
