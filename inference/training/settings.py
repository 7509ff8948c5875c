"""The settings of a training run: from a file and the command line, and held against a run that is there."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import MISSING, asdict, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from storage.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Settings = TypeVar("Settings", bound=DataclassInstance)
else:
    Settings = TypeVar("Settings")

CONFIG: Final = "config.json"
"""Beside the weights: every setting of the run. JSON is YAML too, so that it repeats the run."""


def settings_of(kind: type[Settings], file: Path | None, given: Mapping[str, object]) -> Settings:
    """The settings of a run.

    Args:
        kind: a dataclass of settings, whose limits pydantic reads.
        file: YAML of the names of its fields; none where None.
        given: what goes before the file.

    Raises:
        ConfigError: the file is not there or no mapping, or a name or a value is not allowed.
    """
    values = {**({} if file is None else read_settings(file)), **given}
    source = "the command line" if file is None else str(file)
    names = [f.name for f in fields(kind)]
    if unknown := sorted(map(str, values.keys() - set(names))):
        raise ConfigError(f"{source}: unknown {', '.join(unknown)}; there are {', '.join(names)}")
    try:
        # as JSON, for in it a name is an enum's member, and yet 3 is no text and true no number
        made: Settings = _decoder(kind).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise ConfigError("; ".join(f"{source}: {_sentence(e)}" for e in error.errors())) from error
    return made


def read_settings(file: Path) -> dict[str, object]:
    """The values of a YAML file; ConfigError where it is not there, or is no mapping."""
    try:
        values = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{file}:{line}: {error.problem}") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is no YAML text") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{file} must hold lines of 'name: value'")
    return values


@cache
def _decoder(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _sentence(error: Any) -> str:
    name, *_ = error["loc"]
    return f"{name} is {error['input']!r}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def keep(settings: DataclassInstance, out: Path, free: Collection[str]) -> None:
    """Write the settings into a run's folder, unless a run of others is there.

    Args:
        settings: of the run.
        out: its folder.
        free: names of settings that may change when a run goes on.

    Raises:
        ConfigError: networks, or half of them, were made with other settings.
    """
    path, wanted = out / CONFIG, asdict(settings)
    if path.is_file():
        # what the run there does not name came later: it had what is the default now
        defaults = {f.name: f.default for f in fields(settings) if f.default is not MISSING}
        found = {**defaults, **json.loads(path.read_text(encoding="utf-8"))}
        for name in (n for n in wanted if n not in free and found[n] != wanted[n]):
            raise ConfigError(f"{path}: {name} is {found[name]} in the run there, {wanted[name]} here")
    path.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
