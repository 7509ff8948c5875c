"""What people change in the console: who may, and what is written of it."""

from __future__ import annotations

import pytest
from pynetdicom.ae import ApplicationEntity as AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from node.console.config_editor import NoEditor
from storage import schema
from storage.errors import ConfigError
from storage.kinds import SOP_CLASSES, Kind
from storage.states import Role, SeriesState
from tests.console import test_pages
from tests.console.browsing import PASSWORD, Site, form_token, log_in, send
from tests.console.filled import GAPPED, SERIES
from tests.console.test_pages import dead, done, words
from tests.node.results import job_statuses

viewer = test_pages.viewer


def test_a_dead_letter_is_tried_again(here: Site) -> None:
    browser = here.visitor(Role.OPERATOR)
    (number,) = dead(here)
    assert f'aria-label="Retry delivery {number}"' in browser.get("/queue").text
    answer = send(browser, "/queue/retry", what=str(number))
    assert answer.headers["location"] == "/queue?said=trying"
    assert dead(here) == []
    assert "It is tried again now." in browser.get("/queue?said=trying").text
    assert done(here) == [f"some-operator: try again {number}: 1 deliveries"]
    assert [job.name for job in job_statuses(here.store).values()] == ["deliver"]


@pytest.mark.parametrize(("what", "count"), [("dead", 1), ("to pacs", 2)])
def test_several_are_tried_again(here: Site, what: str, count: int) -> None:
    send(here.visitor(Role.OPERATOR), "/queue/retry", what=what)
    assert done(here) == [f"some-operator: try again {what}: {count} deliveries"]


@pytest.mark.parametrize("what", ["", "999", "to nobody", "stored", "withdrawn"])
def test_nothing_to_try_again(here: Site, what: str) -> None:
    assert send(here.visitor(Role.OPERATOR), "/queue/retry", what=what).status_code == 409
    assert done(here) == []


def test_a_series_is_analysed_again(here: Site) -> None:
    browser = here.visitor(Role.OPERATOR)
    answer = send(browser, f"/series/{SERIES}/retry")
    assert answer.headers["location"] == f"/series/{SERIES}?said=analysing"
    assert (here.store.series(SERIES).state, here.store.series(SERIES).revision) == (SeriesState.QUEUED, 2)
    assert done(here) == [f"some-operator: analyse again as revision 2: series {SERIES}"]
    assert send(browser, f"/series/{GAPPED}/retry").status_code == 409


def test_a_held_series_is_released(here: Site) -> None:
    browser = here.visitor(Role.OPERATOR)
    assert send(browser, f"/series/{SERIES}/release").status_code == 409
    held = schema.series.update().where(schema.series.c.series_instance_uid == SERIES)
    with here.store.ledger.writing() as connection:
        connection.execute(held.values(state=SeriesState.HELD, reason="two patients"))
    assert "two patients" in browser.get("/queue").text
    assert send(browser, f"/series/{SERIES}/release").status_code == 303
    assert here.store.series(SERIES).state is SeriesState.QUEUED
    assert done(here)[0] == f"some-operator: released series {SERIES}"


def test_a_peer_that_does_not_answer_says_why(here: Site) -> None:
    browser = here.visitor(Role.OPERATOR)
    token = form_token(browser)
    answer = browser.post("/peers/pacs/echo", data={"form_token": token}, headers={"HX-Request": "true"})
    assert "refuses connections on port" in answer.text and "<html" not in answer.text
    assert done(here) == ["some-operator: C-ECHO to pacs: no answer"]
    assert "C-ECHO to pacs" in browser.post("/peers/pacs/echo", data={"form_token": token}).text
    for name in ("CT1", "nobody"):
        assert browser.post(f"/peers/{name}/echo", data={"form_token": token}).status_code == 404


def test_what_a_destination_accepts_is_shown(here: Site) -> None:
    browser, called = here.visitor(Role.OPERATOR), here.console.config.peer("pacs")
    assert called is not None and called.port is not None
    ae = AE("MAINPACS")
    for uid in (SOP_CLASSES[Kind.SR], Verification):
        ae.add_supported_context(uid)
    server = ae.start_server(("127.0.0.1", called.port), block=False)
    try:
        token = form_token(browser)
        answer = browser.post("/peers/pacs/probe", data={"form_token": token}, headers={"HX-Request": "true"})
        assert "Back to the peers" in browser.post("/peers/pacs/probe", data={"form_token": token}).text
    finally:
        server.shutdown()
    text = words(answer.text)
    assert "accepts SR OK yes, explicit and implicit VR little endian" in text
    assert "accepts SEG FAILED no:" in text and "<html" not in answer.text
    assert done(here)[0].startswith("some-operator: probe of pacs: ")
    for name in ("CT1", "nobody"):
        assert browser.post(f"/peers/{name}/probe", data={"form_token": token}).status_code == 404


class Editor(NoEditor):
    """Takes down what it is told."""

    def __init__(self, error: str = "") -> None:
        self.peers: list[tuple[str, str, str, bool, str]] = []
        self._error = error

    def text(self) -> str:
        return "node: {port: 11112}  # <ours>\n"

    def add_peer(self, *, name: str, ae_title: str, host: str, may_send: bool, by: str) -> None:
        if self._error:
            raise ConfigError(self._error)
        self.peers.append((name, ae_title, host, may_send, by))


def test_a_rejected_caller_is_let_in(here: Site) -> None:
    here.console.editor = editor = Editor()
    browser = here.visitor(Role.ADMIN)
    assert "no peer has this AE title" in browser.get("/callers").text
    answer = send(browser, "/callers/allow", ae_title="STRANGER", host="10.0.0.1", name="CT2")
    assert answer.headers["location"] == "/callers?said=allowed"
    assert editor.peers == [("CT2", "STRANGER", "10.0.0.1", True, "some-admin")]
    assert done(here) == ["some-admin: allowed STRANGER from 10.0.0.1 as peer CT2"]


def test_a_configuration_that_would_be_wrong_is_refused(here: Site) -> None:
    here.console.editor = Editor("config.yaml:3:1: peers[2].name: 'CT2' is the name of peers[0] already")
    answer = send(here.visitor(Role.ADMIN), "/callers/allow", ae_title="A", host="10.0.0.1", name="CT2")
    assert answer.status_code == 422
    assert "is the name of peers[0] already" in words(answer.text)
    assert done(here) == []


def test_without_an_editor_the_page_says_what_to_write(here: Site) -> None:
    here.console.editor = NoEditor()
    answer = send(here.visitor(Role.ADMIN), "/callers/allow", ae_title="A", host="10.0.0.1", name="CT2")
    assert answer.status_code == 422
    assert "{name: CT2, ae_title: A, may_send: true, hosts: [10.0.0.1]}" in answer.text


def test_the_own_password(here: Site) -> None:
    browser, elsewhere = here.visitor(Role.VIEWER), here.visitor(Role.VIEWER)
    new = {"password": "another horse battery", "again": "another horse battery"}
    assert send(browser, "/account/password", old="wrong wrong wrong", **new).status_code == 403
    assert (
        send(browser, "/account/password", old=PASSWORD, password="short", again="short").status_code == 422
    )
    assert send(browser, "/account/password", old=PASSWORD, **(new | {"again": "x"})).status_code == 422
    assert send(browser, "/account/password", old=PASSWORD, **new).status_code == 303
    assert browser.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 401  # whoever had the old one is out
    assert log_in(here.browser(), "some-viewer", PASSWORD).status_code == 401
    assert log_in(here.browser(), "some-viewer", "another horse battery").status_code == 303


def test_an_administrator_manages_accounts(here: Site) -> None:
    browser, new = here.visitor(Role.ADMIN), {"password": PASSWORD, "again": PASSWORD}
    assert send(browser, "/accounts/add", name="Eve", role="viewer", **new).status_code == 303
    assert send(browser, "/accounts/add", name="eve", role="viewer", **new).status_code == 422
    assert send(browser, "/accounts/add", name="bob", role="king", **new).status_code == 422
    eve = here.browser()
    assert log_in(eve, "eve").status_code == 303
    assert "eve" in words(browser.get("/accounts").text)
    assert send(browser, "/accounts/eve/role", role="operator").status_code == 303
    assert "operator" in words(eve.get("/account").text)
    other = {"password": "another horse battery", "again": "another horse battery"}
    assert send(browser, "/accounts/eve/password", **other).status_code == 303
    assert eve.get("/account").status_code == 401
    assert log_in(eve, "eve", "another horse battery").status_code == 303
    assert send(browser, "/accounts/eve/remove").status_code == 303
    assert eve.get("/account").status_code == 401
    assert [line for line in done(here) if line.startswith("some-admin")] == [
        "some-admin: removed account eve",
        "some-admin: set the password of account eve",
        "some-admin: made account eve operator",
        "some-admin: added account eve as viewer",
    ]


def test_the_last_administrator_stays(here: Site) -> None:
    browser = here.visitor(Role.ADMIN)
    for path, fields in (("remove", {}), ("role", {"role": "viewer"})):
        answer = send(browser, f"/accounts/some-admin/{path}", **fields)
        assert (answer.status_code, "is the last administrator" in answer.text) == (422, True)
    here.add("second", Role.ADMIN)
    assert send(browser, "/accounts/second/role", role="viewer").status_code == 303
