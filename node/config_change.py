"""What of another configuration a running node takes over, and what has to wait until it is started again.

Pure. What is not listed here waits: a key that is new in the configuration is held until somebody has thought
about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from node.config import Config
from storage.errors import ConfigError

WHOLE: Final = frozenset(
    {"peers", "destinations", "assembly", "delivery", "query", "commitment", "proof", "inference", "oidc"}
)
"""Sections that are taken over while the node runs."""
KEYS: Final[Mapping[str, frozenset[str]]] = {
    "node": frozenset({"max_associations", "network_timeout_s", "max_instance_mb"}),
    "storage": frozenset({"reserve_mb", "retention_days"}),
    "console": frozenset({"idle_minutes", "session_hours", "metrics_from"}),
    "audit": frozenset(
        {"file_mb", "file_days", "retention_days", "syslog_host", "syslog_port", "syslog_authorities"}
    ),
}
"""Keys of other sections that are, too."""
NAMED: Final = {"peers": "peer", "destinations": "destination"}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What another configuration comes to."""

    config: Config  # what runs from now on: the new one, with the old values of what has to wait
    taken: tuple[str, ...]  # what changed, for people: names and keys, never values
    held: tuple[str, ...]  # keys that differ and have to wait


def change(running: Config, wanted: Config) -> Change:
    """From what runs to what is wanted.

    Raises:
        ConfigError: what could be taken over does not fit with what has to wait.
    """
    held = tuple(_held(running, wanted))
    config = _merged(running, wanted, held) if held else wanted
    return Change(config=config, taken=tuple(_taken(running, config)), held=held)


def is_running(section: str, key: str) -> bool:
    """Whether a key is taken over while the node runs."""
    return section in WHOLE or key in KEYS.get(section, ())


def _held(running: Config, wanted: Config) -> Iterator[str]:
    for section in Config.model_fields:
        yield from (key for key in _different(running, wanted, section) if not is_running(*key.split(".")))


def _different(running: Config, wanted: Config, section: str) -> list[str]:
    """The dotted keys of a section that differ; of a list none."""
    old, new = getattr(running, section), getattr(wanted, section)
    if not isinstance(old, BaseModel):
        return []
    return [f"{section}.{key}" for key in type(old).model_fields if getattr(old, key) != getattr(new, key)]


def _merged(running: Config, wanted: Config, held: Sequence[str]) -> Config:
    """Checked as a whole: a new peer may need what has to wait."""
    values: dict[str, Any] = wanted.model_dump()
    old = running.model_dump()
    for dotted in held:
        section, key = dotted.split(".")
        values[section][key] = old[section][key]
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        why = "; ".join(str(detail.get("ctx", {}).get("error", detail["msg"])) for detail in details)
        raise ConfigError(f"{why}; this needs a restart, for {', '.join(held)} changed too") from error


def _taken(running: Config, config: Config) -> Iterator[str]:
    for section in Config.model_fields:
        if section in NAMED:
            yield from _named(NAMED[section], getattr(running, section), getattr(config, section))
        else:
            yield from _different(running, config, section)


def _named(what: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[str]:
    before, after = ({each.name: each for each in entries} for entries in (old, new))
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            yield f"{what} {name} removed"
        elif name not in before:
            yield f"{what} {name} added"
        elif keys := _keys(before[name], after[name]):
            yield f"{what} {name}: {', '.join(keys)}"
    left = [name for name in before if name in after]
    if left != [name for name in after if name in before]:
        yield f"order of {what}s"


def _keys(old: BaseModel, new: BaseModel) -> list[str]:
    return [key for key in type(old).model_fields if getattr(old, key) != getattr(new, key)]
