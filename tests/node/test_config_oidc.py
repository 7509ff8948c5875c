"""The section `oidc`: what may be written, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node import config_change, running
from node.config import Config, load
from storage.errors import ConfigError
from storage.states import Role

RIGHT: dict[str, str] = {
    "issuer": "https://login.hospital.example/realms/hospital",
    "client_id": "ctnode",
    "client_secret_file": "oidc.secret",
    "origin": "https://ctnode.hospital.example:11180",
    "roles": "{readers: viewer, mtra: operator, radiology-it: admin}",
}
TLS = "console: {certificate: a.pem, key: a.key}\n"


def written(folder: Path, keys: dict[str, str], before: str = TLS) -> Path:
    file = folder / "config.yaml"
    file.write_text(before + "oidc:\n" + "".join(f"  {key}: {value}\n" for key, value in keys.items()))
    return file


def test_a_section(tmp_path: Path) -> None:
    oidc = load(written(tmp_path, RIGHT), environment={}).oidc
    assert oidc.roles == {"readers": Role.VIEWER, "mtra": Role.OPERATOR, "radiology-it": Role.ADMIN}
    assert oidc.client_secret_file == tmp_path / "oidc.secret"
    assert oidc.origin == "https://ctnode.hospital.example:11180"
    assert (oidc.role_claim, oidc.name_claim, oidc.scopes) == ("groups", "preferred_username", ("profile",))


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "an issuer in the clear": ({"issuer": "http://login.hospital.example"}, "oidc.issuer: 'http://login"),
    "an issuer that is a word": ({"issuer": "keycloak"}, "oidc.issuer: 'keycloak' is no address of the web"),
    "an issuer with a query": ({"issuer": "https://a.example/?b=c"}, "has a query"),
    "an issuer with a password": ({"issuer": "https://a:b@c.example"}, "a password or a fragment in it"),
    "an issuer with a bad port": ({"issuer": "https://a.example:x"}, "is no address of the web"),
    "no client": ({"client_id": ""}, "oidc.client_id: is missing, but issuer is given"),
    "a client with spaces": ({"client_id": "a b"}, "oidc.client_id: 'a b' is empty, or has characters"),
    "no origin": ({"origin": ""}, "oidc.origin: is missing, but issuer is given"),
    "an origin with a path": ({"origin": "https://a.example/ctnode"}, "has a path"),
    "an origin with a query": ({"origin": "https://a.example?x"}, "has a path"),
    "an origin in the clear": ({"origin": "http://a.example:11180"}, "begins with http"),
    "two secrets": ({"client_secret_variable": "SECRET"}, "and client_secret_file too"),
    "the secret itself": ({"client_secret": "s3cret"}, "oidc.client_secret: unknown key; did you mean"),
    "a role that is none": ({"roles": "{readers: boss}"}, "'boss' is none of viewer, operator, admin"),
    "roles that are a list": ({"roles": "[readers]"}, "is not a mapping; write {group: viewer}"),
    "no group": ({"roles": "{}"}, "names no group, but issuer is given"),
    "a scope with a space": ({"scopes": '["a b"]'}, "'a b' is no scope"),
    "a button of two lines": ({"button": '"a\\nb"'}, "1 to 64 characters on one line"),
    "a proxy with a password": ({"proxy": "http://a:b@c.example"}, "has a password in it"),
    "a proxy that is a word": ({"proxy": "squid"}, "write http://HOST:PORT"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told(tmp_path: Path, what: str) -> None:
    keys, words = WRONG[what]
    with pytest.raises(ConfigError) as wrong:
        load(written(tmp_path, RIGHT | keys), environment={})
    assert words in str(wrong.value)
    assert len(str(wrong.value).splitlines()) == 1
    assert "s3cret" not in str(wrong.value) and "a:b" not in str(wrong.value)


@pytest.mark.parametrize("left_out", ["client_id", "origin", "roles"])
def test_what_an_issuer_needs(tmp_path: Path, left_out: str) -> None:
    keys = {key: value for key, value in RIGHT.items() if key != left_out}
    with pytest.raises(ConfigError, match=rf"oidc.{left_out}: (is missing, but|names no group)"):
        load(written(tmp_path, keys), environment={})


def test_without_an_issuer_it_says_nothing(tmp_path: Path) -> None:
    keys = {key: value for key, value in RIGHT.items() if key not in ("issuer", "origin", "roles")}
    assert load(written(tmp_path, keys), environment={}).oidc.issuer is None


def test_people_come_back_by_tls_where_somebody_speaks_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody speaks TLS for the console"):
        load(written(tmp_path, RIGHT, before=""), environment={})
    by_proxy = "console: {trusted_proxies: [10.0.0.1]}\n"
    assert load(written(tmp_path, RIGHT, before=by_proxy), environment={}).oidc.issuer == RIGHT["issuer"]
    here = RIGHT | {"origin": "http://localhost:11180/"}
    assert load(written(tmp_path, here, before=""), environment={}).oidc.origin == "http://localhost:11180"


def test_it_is_taken_over_while_the_node_runs(tmp_path: Path) -> None:
    before = load(written(tmp_path, RIGHT), environment={})
    after = load(written(tmp_path, RIGHT | {"roles": "{readers: admin}"}), environment={})
    change = config_change.change(before, after)
    assert (change.config.oidc, change.taken, change.held) == (after.oidc, ("oidc.roles",), ())


def test_the_processes_are_told_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(written(tmp_path, RIGHT, before=TLS + "storage: {root: ./data}\n"), environment={})
    config.storage.root.mkdir()
    monkeypatch.setenv(running.RUNNING, str(running.write(config)))
    monkeypatch.setenv(running.LEDGER_URL, config.storage.database_url)
    assert running.read().oidc == config.oidc


def test_roles_differ_in_code_as_well() -> None:
    values: dict[str, Any] = {"oidc": {"roles": {"a": "nobody"}}}
    with pytest.raises(ValueError, match="'nobody' is none of"):
        Config.model_validate(values)
