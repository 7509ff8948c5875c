"""What a destination of results may say: which objects it gets, and how their arrival is proven.

`config.yaml` is the manual (see `node.config`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, field_validator

from node import addresses
from node.config_types import PeerName, Section
from storage.kinds import DEFAULT_KINDS, Kind

NAMES: Final[Mapping[str, Kind]] = {kind.lower(): kind for kind in Kind}
"""How a kind is written in the configuration."""


class ReadBack(StrEnum):
    """How it is looked up that a destination filed a result under the right study."""

    NONE = "none"
    FIND = "find"  # C-FIND, of an application entity
    QIDO = "qido"  # QIDO-RS, of a DICOMweb service


def _kind(value: Any) -> Kind:
    if isinstance(value, Kind):
        return value
    if value not in NAMES:
        raise ValueError(f"{value!r} is none of {', '.join(NAMES)}")
    return NAMES[value]


def _kinds(value: Any) -> Any:
    return tuple(_kind(each) for each in value) if isinstance(value, list | tuple) else value


def _instead(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("is not a mapping; write {seg: sc}")
    return {_kind(refused): _kind(sent) for refused, sent in value.items()}


def _read_back(value: Any) -> ReadBack:
    if value not in tuple(ReadBack):
        raise ValueError(f"{value!r} is none of {', '.join(ReadBack)}")
    return ReadBack(value)


def _kinds_written(value: tuple[Kind, ...]) -> list[str]:
    return [kind.lower() for kind in value]


def _instead_written(value: Mapping[Kind, Kind]) -> dict[str, str]:
    return {refused.lower(): sent.lower() for refused, sent in value.items()}


Kinds = Annotated[
    tuple[Kind, ...],
    BeforeValidator(_kinds),
    Field(min_length=1),
    PlainSerializer(_kinds_written, when_used="json"),
]
Instead = Annotated[
    Mapping[Kind, Kind], BeforeValidator(_instead), PlainSerializer(_instead_written, when_used="json")
]
ReadBackWord = Annotated[ReadBack, BeforeValidator(_read_back)]


class ResultKeys(Section):
    """The keys that every destination has."""

    results: Kinds = DEFAULT_KINDS  # which objects it gets
    instead: Instead = {}  # noqa: RUF012 - pydantic copies it; refused kind -> what is sent in its place
    commitment: bool = False  # whether it is asked for storage commitment (PS3.4 J)
    read_back: ReadBackWord = ReadBack.NONE  # how it is asked whether the objects are there

    @field_validator("results")
    @classmethod
    def _each_once(cls, value: tuple[Kind, ...]) -> tuple[Kind, ...]:
        for kind in value:
            if value.count(kind) > 1:
                raise ValueError(f"{kind.lower()} is written twice")
        return value

    @field_validator("instead")
    @classmethod
    def _ends_somewhere(cls, value: Mapping[Kind, Kind]) -> Mapping[Kind, Kind]:
        for first in value:
            chain = [first]
            while (following := value.get(chain[-1])) is not None:
                if following in chain:
                    raise ValueError(f"{following.lower()} would be sent in place of itself")
                chain.append(following)
        return value


class OtherDestination(ResultKeys):
    """A destination that is no application entity: a DICOMweb service, or a folder."""

    name: PeerName  # ours, in logs and commands; no peer has it
    url: str | None = None  # of a DICOMweb service: objects go to its /studies by STOW-RS
    folder: Annotated[Path, Field(strict=False)] | None = None  # an existing one: objects become files in it
    user: str | None = None  # for HTTP Basic; without it the secret is a bearer token
    secret_file: Annotated[Path, Field(strict=False)] | None = None  # holds the password or token
    secret_variable: str | None = None  # of the environment, that holds the password or token
    authorities: Annotated[Path, Field(strict=False)] | None = None  # who signs the service's certificate

    @field_validator("commitment")
    @classmethod
    def _is_no_application_entity(cls, value: bool) -> bool:
        if value:
            raise ValueError("is true, but only peers are asked: N-ACTION needs an application entity")
        return value

    @field_validator("read_back")
    @classmethod
    def _is_not_asked_by_find(cls, value: ReadBack) -> ReadBack:
        if value is ReadBack.FIND:
            raise ValueError("is find, but only peers are asked so: a DICOMweb service is asked by qido")
        return value

    @field_validator("url")
    @classmethod
    def _an_address_of_the_web(cls, value: str | None) -> str | None:
        return None if value is None else _service(value)

    @field_validator("folder", "secret_file", "authorities")
    @classmethod
    def _beside_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        base: Path = (info.context or {}).get("folder", Path())
        return None if value is None else base / value.expanduser()

    @field_validator("folder")
    @classmethod
    def _one_of_two(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and info.data.get("url", "") is None:
            raise ValueError("or url is missing: one of the two says where the results go")
        if value is not None and info.data.get("url") is not None:
            raise ValueError("is given, and url too: write two destinations")
        if value is not None and info.data.get("read_back") is ReadBack.QIDO:
            raise ValueError("is given, but read_back is qido: a folder is not asked")
        return value

    @field_validator("user", "secret_file", "secret_variable", "authorities")
    @classmethod
    def _of_the_web(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("url", "") is None:
            raise ValueError("is given, but not url: a folder wants none")
        return value

    @field_validator("secret_file", "secret_variable")
    @classmethod
    def _no_secret_in_the_clear(cls, value: object, info: ValidationInfo) -> object:
        url = info.data.get("url") or ""
        if value is not None and url.startswith("http:") and urlsplit(url).hostname not in LOOPBACK:
            raise ValueError("is given, but url begins with http: everybody on the way could read it")
        return value

    @field_validator("secret_variable")
    @classmethod
    def _one_secret(cls, value: str | None, info: ValidationInfo) -> str | None:
        has_file = info.data.get("secret_file") is not None
        if value is not None and has_file:
            raise ValueError("is given, and secret_file too: which of them holds the secret?")
        if info.data.get("user") is not None and value is None and not has_file:
            raise ValueError("or secret_file is missing, but user is given: it has a password")
        return value


PRINTABLE: Final = re.compile(r"[!-~]+")
"""Characters of an address: ASCII without spaces; the rest is written in percent (RFC 3986 2.1)."""
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _service(value: str) -> str:
    """The root of a DICOMweb service, without a slash at its end."""
    wrong = "is not the address of a DICOMweb service, such as https://pacs.example/dicom-web"
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
        addresses.single_host(host or "")
    except ValueError as error:
        raise ValueError(f"{wrong}: {error}") from error
    if parts.scheme not in ("http", "https") or port == 0 or not PRINTABLE.fullmatch(value):
        raise ValueError(wrong)
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or password: write user, and secret_file or secret_variable")
    if parts.query or parts.fragment:
        raise ValueError("ends in a query or fragment: /studies is added to it")
    return value.rstrip("/")
