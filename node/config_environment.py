"""Environment variables that override the file: ``CTNODE_<SECTION>__<KEY>``.

``CTNODE_STORAGE__DATABASE`` overrides ``storage.database``. Peers stand in the file alone: a list
does not fit in a variable. What is set in the environment wins over the file.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from node.config_source import Place, Problem, Source

PREFIX: Final = "CTNODE_"
SEPARATOR: Final = "__"


def variables(config: type[BaseModel]) -> dict[str, tuple[str, str]]:
    """Every variable that is read: its name -> (section, key)."""
    return {
        f"{PREFIX}{section}{SEPARATOR}{key}".upper(): (section, key)
        for section, field in config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for key in field.annotation.model_fields
    }


def overlay(source: Source, environment: Mapping[str, str], config: type[BaseModel]) -> None:
    """Put the environment's values over the file's, in place."""
    known = variables(config)
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX) or SEPARATOR not in name:
            continue
        if name in known:
            _set(source, name, known[name], _value(text, config, known[name]))
        else:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            place = Place(variable=name)
            source.problems.append(Problem(place=place, key="", text=f"sets nothing{hint}"))


def _set(source: Source, name: str, key: tuple[str, str], value: Any) -> None:
    section = source.data.setdefault(key[0], {})
    if not isinstance(section, dict):
        return  # the file's own mistake, reported as such
    section[key[1]] = value
    source.keys[key] = source.values[key] = Place(variable=name)


def _value(text: str, config: type[BaseModel], key: tuple[str, str]) -> Any:
    """A number for what is a number; text stays text, so that an AE title may be all digits."""
    section = config.model_fields[key[0]].annotation
    assert section is not None
    if section.model_fields[key[1]].annotation not in (int, float, bool):
        return text
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return text
