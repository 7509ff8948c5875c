"""What is wrong with a value, in words: from pydantic's error types to sentences."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from node.config_source import Key, Problem, Source, dotted

SHOWN_MAX: Final = 60  # characters of a wrong value that are repeated
SECRET_KEYS: Final = frozenset({"database"})  # a database URL may hold a password

_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "bool_type": "{value} is not true or false",
    "int_type": "{value} is not a whole number",
    "int_from_float": "{value} is not a whole number",
    "float_type": "{value} is not a number",
    "finite_number": "{value} is not a number",
    "string_type": "{value} is not text; write it in quotes",
    "tuple_type": "{value} is not a list; write [first, second] or lines that begin with '-'",
    "model_type": "{value} is not a mapping of 'key: value' lines",
    "greater_than": "{value} is too small; it must be more than {gt}",
    "greater_than_equal": "{value} is too small; at least {ge} is allowed",
    "less_than_equal": "{value} is too large; at most {le} is allowed",
}


def problem(error: ErrorDetails, source: Source, config: type[BaseModel]) -> Problem:
    """One of pydantic's errors as a sentence with its place."""
    key: Key = error["loc"]
    unknown = error["type"] == "extra_forbidden"
    text = _unknown(key, config) if unknown else _sentence(error)
    return Problem(place=source.place(key, of_key=unknown), key=dotted(key), text=text)


def _sentence(error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if error["input"] is None:
        return "has no value; give one or remove the line"
    template = _SENTENCES.get(error["type"])
    if template is None:
        return error["msg"]
    secret = bool(error["loc"]) and error["loc"][-1] in SECRET_KEYS
    return template.format(value="the value" if secret else _shown(error["input"]), **context)


def _shown(value: Any) -> str:
    if isinstance(value, dict | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…"


def _unknown(key: Key, config: type[BaseModel]) -> str:
    allowed = list(_model(key[:-1], config).model_fields)
    near = difflib.get_close_matches(str(key[-1]), allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown key; {hint}allowed here: {', '.join(allowed)}"


def _model(key: Key, config: type[BaseModel]) -> type[BaseModel]:
    """The model whose keys are allowed at a place of the tree."""
    for part in key:
        if isinstance(part, str):
            annotation: Any = config.model_fields[part].annotation
            config = next(iter(get_args(annotation)), annotation)
    return config
