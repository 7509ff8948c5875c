"""Who an ID token is about, and what they may do here. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from node.config_oidc import Oidc
from node.console.route import ORDER
from storage.errors import Refused
from storage.states import Role

NAME_MAX: Final = 48
"""Characters; an account's name has 64, and begins with where it is from."""
OTHER: Final = re.compile(r"[^a-z0-9._@-]+")
"""What an account's name does not have."""
SUBJECT_MAX: Final = 255
"""Characters of `sub` (OpenID Connect Core 1.0, 2)."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody whom the provider knows."""

    subject: str  # `sub`: the provider's own, never given to another; the name may be
    name: str  # as an account is called
    role: Role | None  # None: in no group that may do anything here
    why: str  # why none, for the log; '' with one


def person(claims: Mapping[str, Any], section: Oidc) -> Person:
    """The person of checked claims.

    Raises:
        Refused: the claims do not say who it is, or leave out the groups.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_MAX or not subject.isprintable():
        raise Refused("the ID token has no subject (sub)")
    groups = _groups(claims, section)
    role = highest(groups or (), section)
    return Person(
        subject=subject,
        name=_name(claims, section.name_claim),
        role=role,
        why="" if role is not None else _why(groups, section),
    )


def highest(groups: Sequence[str], section: Oidc) -> Role | None:
    """The highest role that one of the groups gives; None for none."""
    roles = [section.roles[group] for group in groups if group in section.roles]
    return max(roles, key=ORDER.index, default=None)


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim; where none is called so, the way to it through mappings, with dots: realm_access.roles."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _why(groups: Sequence[str] | None, section: Oidc) -> str:
    """How many groups are named tells a mistake in the configuration from a person who may not."""
    if groups is None:
        return f"the ID token has no {section.role_claim!r} (oidc.role_claim)"
    return f"none of the person's {len(groups)} groups is in oidc.roles"


def _groups(claims: Mapping[str, Any], section: Oidc) -> list[str] | None:
    """None where the token has none."""
    found = claim(claims, section.role_claim)
    if found is None and _is_elsewhere(claims, section.role_claim):
        raise Refused(f"the ID token leaves {section.role_claim!r} out, for the person is in too many groups")
    if isinstance(found, str):
        return [found]
    return [group for group in found if isinstance(group, str)] if isinstance(found, list) else None


def _is_elsewhere(claims: Mapping[str, Any], name: str) -> bool:
    """Distributed claims (OpenID Connect Core 1.0, 5.6.2): Entra ID says so that there are over 200."""
    names = claims.get("_claim_names")
    return (isinstance(names, Mapping) and name in names) or claims.get("hasgroups") is True


def _name(claims: Mapping[str, Any], name: str) -> str:
    """In the letters that accounts have: é is e, and whatever is no letter of theirs a dash."""
    found = claim(claims, name)
    if not isinstance(found, str):
        raise Refused(f"the ID token has no text {name!r}: a person has no name")
    plain = unicodedata.normalize("NFKD", found).encode("ascii", "ignore").decode()
    made = OTHER.sub("-", plain.strip().lower()).strip("._@-")[:NAME_MAX]
    if not made:
        raise Refused(f"the ID token's {name!r} has no letter or digit: a person has no name")
    return made
