"""The configuration in the browser: what is wrong is told and changes nothing."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from node.config_file import FileEditor
from node.console.gate import LONG_MAX_BYTES
from storage.states import Role
from tests.console.browsing import Site, form_token, send

TEXT = """\
# Ours. <b>Mind</b> the port.
node: {ae_title: CTNODE, port: 11113}
peers:
  - {name: CT1, ae_title: CT1, may_send: true, hosts: [10.0.0.9]}  # by the door
storage: {root: ./data}
"""


@pytest.fixture
def file(here: Site, tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    here.console.editor = FileEditor(path=path)
    return path


def was(page: str) -> str:
    found = re.search(r'name="was" value="([0-9a-f]{64})"', page)
    assert found is not None
    return found[1]


def shown(page: str) -> str:
    """What stands in the text area."""
    found = re.search(r"<textarea[^>]*>\n(.*)</textarea>", page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def test_the_file_is_shown_as_it_is(here: Site, file: Path) -> None:
    page = here.visitor(Role.ADMIN).get("/configuration").text
    assert shown(page) == TEXT
    assert "<b>Mind</b>" not in page


def test_what_is_valid_is_written_with_its_comments(here: Site, file: Path) -> None:
    browser = here.visitor(Role.ADMIN)
    page = browser.get("/configuration").text
    text = shown(page).replace("10.0.0.9", "10.0.0.10")
    answer = send(browser, "/configuration", text=text.replace("\n", "\r\n"), was=was(page))
    assert (answer.status_code, answer.headers["location"]) == (303, "/configuration?said=configured")
    assert file.read_text() == text
    assert "# by the door" in file.read_text()


def test_ends_of_line_stay_as_they_are(here: Site, file: Path) -> None:
    file.write_bytes(TEXT.replace("\n", "\r\n").encode())
    browser = here.visitor(Role.ADMIN)
    page = browser.get("/configuration").text
    changed = TEXT.replace("10.0.0.9", "10.0.0.10").replace("\n", "\r\n")
    assert send(browser, "/configuration", text=changed, was=was(page)).status_code == 303
    assert file.read_bytes() == changed.encode()


def test_what_is_not_valid_changes_nothing_and_says_where(here: Site, file: Path) -> None:
    browser = here.visitor(Role.ADMIN)
    page = browser.get("/configuration").text
    broken = TEXT.replace("port: 11113", "port: 70000")
    answer = send(browser, "/configuration", text=broken, was=was(page))
    assert answer.status_code == 422
    assert "config.yaml:2:32: node.port: 70000 is not a port" in html.unescape(answer.text)
    assert "70000" in shown(answer.text), "what was typed is not lost"
    assert file.read_text() == TEXT


def test_what_somebody_else_wrote_meanwhile_is_not_lost(here: Site, file: Path) -> None:
    browser = here.visitor(Role.ADMIN)
    page = browser.get("/configuration").text
    file.write_text(TEXT + "# theirs\n")
    answer = send(browser, "/configuration", text=TEXT + "# ours\n", was=was(page))
    assert answer.status_code == 422 and "changed meanwhile" in answer.text
    assert file.read_text() == TEXT + "# theirs\n"


def test_a_file_has_its_limit(here: Site, file: Path) -> None:
    browser = here.visitor(Role.ADMIN)
    token, digest = form_token(browser), was(browser.get("/configuration").text)
    fields = {"form_token": token, "was": digest}
    long = TEXT + "# " + "a" * 100_000 + "\n"
    assert browser.post("/configuration", data={**fields, "text": long}).status_code == 303
    too_long = "#" * LONG_MAX_BYTES
    assert browser.post("/configuration", data={**fields, "text": too_long}).status_code == 413
