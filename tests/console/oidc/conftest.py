"""A provider, and a console that believes it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from node.console.oidc.logins import Logins
from node.console.throttle import Throttle
from storage import schema
from tests.console import filled
from tests.console.browsing import Site, site
from tests.console.oidc.provider import Provider, providing
from tests.console.oidc.steps import configure


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providing() as made:
        made.person["groups"] = ["readers"]
        yield made


@pytest.fixture(scope="module")
def used_site(filled_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests of a module, which forgets people between them: making it takes its time."""
    made = site(filled.copied(filled_root, tmp_path_factory.mktemp("console") / "root"))
    yield made
    made.console.close()


@pytest.fixture
def hospital(used_site: Site, provider: Provider) -> Site:
    """A console that nobody has used, and that believes the provider; their clocks are the machine's."""
    used_site.clock.now = time.time()
    used_site.console.throttle, used_site.console.logins = Throttle(), Logins()
    with used_site.store.ledger.writing() as connection:
        for table in (schema.session, schema.account, schema.event):
            connection.execute(delete(table))
    configure(used_site, provider)
    return used_site
