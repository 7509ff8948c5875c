"""What somebody who means harm sends: markup in DICOM strings, paths, headers, too much of everything."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from node.console.access import FIELDS_MAX
from node.console.config_editor import NoEditor
from node.console.gate import ADDRESS_MAX, BODY_MAX_BYTES, SECURITY_HEADERS
from node.console.routes import ROUTES
from storage.states import Role
from tests.console import filled
from tests.console.browsing import Site, filled_path, form_token, log_in, send
from tests.console.filled import GAPPED, HOSTILE, HOSTILE_AE, PATIENT, SERIES

PAGES = [
    *(filled_path(r.path) for r in ROUTES if r.method == "GET" and not r.path.startswith("/static")),
    f"/series/{GAPPED}",
    f"/series/{GAPPED}/progress",
    f"/series?search={HOSTILE}&state={HOSTILE}",
    f"/events?subject={HOSTILE}",
    f"/?said={HOSTILE}",
    f"/nothing/{HOSTILE}",
    f"/login?next={HOSTILE}",
]
OURS = {"/static/htmx.min.js", "/static/console.js"}


class Markup(HTMLParser):
    """The elements of a page and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Markup()
    parser.feed(text)
    return parser.elements


@pytest.fixture(scope="module")
def admin(shown: Site) -> TestClient:
    return shown.visitor(Role.ADMIN)


@pytest.mark.parametrize("path", PAGES)
def test_what_others_wrote_is_never_markup(shown: Site, admin: TestClient, path: str) -> None:
    answer = admin.get(path)
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return
    found = elements(answer.text)
    assert {given.get("src") for tag, given in found if tag == "script"} <= OURS
    assert [given for _, given in found if any(name.startswith("on") for name in given)] == []
    assert {tag for tag, _ in found} & {"b", "i"} <= {"b"}
    assert "<script>alert" not in answer.text
    assert "<b>&\"'" not in answer.text


def test_it_is_shown_as_it_was_written(admin: TestClient) -> None:
    page = admin.get(f"/series/{SERIES}").text
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5  # evidence, reasons, warnings, errors
    assert "&lt;B&gt;LEG&lt;/B&gt;" in page
    for path in ("/series", "/callers"):
        assert "&lt;b&gt;&amp;&#34;&#39;&lt;/b&gt;" in admin.get(path).text


def test_no_page_names_the_patient(shown: Site, admin: TestClient) -> None:
    assert str(filled.first_data_set(shown.store).PatientName) == PATIENT
    for path in PAGES:
        assert "JANE" not in admin.get(path).text, path
        assert "4711" not in admin.get(path).text, path


@pytest.mark.parametrize(
    "path", ["/login", "/", "/healthz", "/nothing", f"/series/{SERIES}", "/static/console.css"]
)
def test_every_answer_bounds_what_a_page_may_do(shown: Site, admin: TestClient, path: str) -> None:
    for browser in (admin, shown.browser()):
        headers = browser.get(path).headers
        for name, value in SECURITY_HEADERS.items():
            if not (name == "Cache-Control" and path.startswith("/static")):
                assert headers[name] == value
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy and "default-src 'none'" in policy


def test_no_page_has_a_script_or_a_style_of_its_own(admin: TestClient) -> None:
    for path in PAGES:
        answer = admin.get(path)
        if answer.headers.get("content-type", "").startswith("text/html"):
            for tag, given in elements(answer.text):
                assert tag != "style" and "style" not in given, path
                assert tag != "script" or given.get("src"), path


@pytest.mark.parametrize(
    "path",
    [
        "/static/../__main__.py",
        "/static/..%2f..%2fconfig.py",
        "/static/%2e%2e/%2e%2e/config.py",
        "/static/console.css%00.js",
        "/static//etc/passwd",
        "/series/../../etc/passwd",
        "/series/..%2f..%2fetc%2fpasswd",
        "/series/1.2.3%2f..",
        "/series/1.2.3'%20OR%201=1",
        f"/series/{'1' * 65}",
        f"/series/{SERIES}/slices/0/-1",
        f"/series/{SERIES}/slices/0/24",
        f"/series/{SERIES}/slices/9/0",
        f"/series/{SERIES}/slices/0/99999999999",
        f"/series/{SERIES}/slices/0/0?window=none",
        f"/series/{SERIES}/projections/0/..%2fcoronal.png",
        f"/series/{SERIES}/projections/0/axial.png",
        "/peers/../echo",
    ],
)
def test_a_path_leads_nowhere_else(admin: TestClient, path: str) -> None:
    answer = admin.get(path)
    assert answer.status_code == 404
    assert "root:" not in answer.text and "import" not in answer.text


def test_a_form_that_is_too_long_is_not_read(shown: Site) -> None:
    browser = shown.browser()
    assert log_in(browser, "eve", "x" * BODY_MAX_BYTES).status_code == 413

    def pieces() -> object:
        for _ in range(40):
            yield b"a" * 1024

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert browser.post("/login", content=pieces(), headers=headers).status_code == 413  # type: ignore[arg-type]


def test_an_address_that_is_too_long_is_not_read(admin: TestClient) -> None:
    assert admin.get("/series?search=" + "a" * ADDRESS_MAX).status_code == 414
    assert admin.get("/series?search=" + "a" * 129).status_code == 404


def test_a_form_of_too_many_fields_is_not_read(shown: Site) -> None:
    fields = {f"field{n}": "x" for n in range(FIELDS_MAX + 1)}
    assert shown.browser().post("/login", data=fields).status_code == 400


@pytest.mark.parametrize("length", ["-1", "9" * 30, "abc", "1e9"])
def test_a_length_that_is_none_is_refused(shown: Site, length: str) -> None:
    headers = {"Content-Length": length, "Content-Type": "application/x-www-form-urlencoded"}
    assert shown.browser().post("/login", content=b"", headers=headers).status_code == 413


def test_only_forms_are_taken(shown: Site) -> None:
    browser = shown.browser()
    assert browser.post("/login", json={"name": "eve"}).status_code == 415
    assert browser.post("/login", files={"name": b"eve"}).status_code == 415
    content = b"name=\xff\xfe"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert browser.post("/login", content=content, headers=headers).status_code in (400, 401)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"ae_title": "A\\B", "host": "10.0.0.1", "name": "a"}, 422),
        ({"ae_title": "A" * 17, "host": "10.0.0.1", "name": "a"}, 422),
        ({"ae_title": "A\r\nB", "host": "10.0.0.1", "name": "a"}, 422),
        ({"ae_title": "A", "host": "10.0.0.1\n- name: evil", "name": "a"}, 422),
        ({"ae_title": "A", "host": "10.0.0.0/8", "name": "a"}, 422),
        ({"ae_title": "A", "host": "10.0.0.1", "name": "a: b"}, 422),
        ({"ae_title": "A", "host": "10.0.0.1", "name": "../a"}, 422),
        ({}, 422),
    ],
)
def test_what_is_no_peer_is_not_allowed(here: Site, fields: dict[str, str], status: int) -> None:
    here.console.editor = Refusing()
    assert send(here.visitor(Role.ADMIN), "/callers/allow", **fields).status_code == status


class Refusing(NoEditor):
    """An editor that must not be asked."""

    def add_peer(self, *, name: str, ae_title: str, host: str, may_send: bool, by: str) -> None:
        raise AssertionError((name, ae_title, host, may_send))


def test_a_name_of_an_account_is_no_markup_and_no_path(here: Site) -> None:
    browser = here.visitor(Role.ADMIN)
    password = {"password": "correct horse battery", "again": "correct horse battery", "role": "viewer"}
    for name in (HOSTILE, "../admin", "a b", "", "a" * 65, "é"):
        answer = send(browser, "/accounts/add", name=name, **password)
        assert answer.status_code == 422
        assert "<script>alert" not in answer.text


def test_an_unforeseen_error_shows_nothing_of_itself(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"secret of {PATIENT}")

    browser = here.browser(raise_server_exceptions=False)
    here.add("eve", Role.VIEWER)
    log_in(browser, "eve")
    monkeypatch.setattr("node.console.pages.queue.deliveries.oldest", broken)
    answer = browser.get("/queue")
    assert answer.status_code == 500
    assert "secret" not in answer.text and "JANE" not in answer.text
    assert form_token(browser)


def test_a_hostile_caller_is_one_form_of_ours(admin: TestClient) -> None:
    """The AE title goes into a field's value whole: nothing of it leaves the attribute."""
    fields = [given for tag, given in elements(admin.get("/callers").text) if given.get("name") == "ae_title"]
    assert {given["value"] for given in fields} == {"STRANGER", HOSTILE_AE}
