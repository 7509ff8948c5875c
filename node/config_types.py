"""What the sections of the configuration are made of."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from node import addresses

PEER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DEVICE: Final = re.compile(r"auto|cpu|cuda(:[0-9]+)?")


def _peer_name(value: str) -> str:
    if not PEER_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name: 1 to 64 letters, digits, '.', '_' or '-'")
    return value


def _device(value: str) -> str:
    if not DEVICE.fullmatch(value):
        raise ValueError(f"{value!r} is none of auto, cpu, cuda and cuda:0, cuda:1, ...")
    return value


def _gets_results(value: object) -> object:
    if value != "own" and not isinstance(value, bool):
        raise ValueError(f"{value!r} is none of true, false and own")
    return value


AETitle = Annotated[str, AfterValidator(addresses.ae_title)]
Host = Annotated[str, AfterValidator(addresses.single_host)]
HostRule = Annotated[str, AfterValidator(addresses.host_rule)]
Port = Annotated[int, AfterValidator(addresses.port)]
PeerName = Annotated[str, AfterValidator(_peer_name)]
Device = Annotated[str, AfterValidator(_device)]
GetsResults = Annotated[bool | Literal["own"], BeforeValidator(_gets_results)]
StoreKind = Literal["segments", "files"]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Days = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """Unknown keys and values of another type are errors; nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)
