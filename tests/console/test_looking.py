"""Who looked at which study stands in the audit trail: once, and not for each slice."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from node.audit import events as audit_events
from node.audit.message import xml
from node.console.looks import AGAIN_S
from node.console.routes import ROUTES
from storage import events
from storage.errors import LedgerDown
from storage.records import Event
from storage.states import Role
from tests.console.browsing import Site, filled_path, log_in
from tests.console.filled import NOW, PATIENT, SERIES, STUDY
from tests.node.audit_schema import checked

SHOWN = [route.path for route in ROUTES if route.shows_study]
SAID = f"study {STUDY} series {SERIES} from 127.0.0.1"


def looks(here: Site) -> list[tuple[str, str]]:
    """Account and detail, the oldest first."""
    with here.store.ledger.reading() as connection:
        found = events.recent(connection, 100, kind=events.VIEWED)
    return [(event.subject, event.detail) for event in reversed(found)]


def test_every_page_and_picture_of_a_series_is_one() -> None:
    of_series = {
        route.path for route in ROUTES if route.path.startswith("/series/") and route.method == "GET"
    }
    assert set(SHOWN) == of_series - {"/series/{uid}/progress"}  # asked for by a page that is told already


@pytest.mark.parametrize("path", SHOWN)
def test_who_is_shown_a_series_is_told(here: Site, path: str) -> None:
    assert here.visitor(Role.VIEWER).get(filled_path(path)).status_code == 200
    assert looks(here) == [("some-viewer", SAID)]


def test_many_slices_are_one_look_and_each_person_and_place_is_one(here: Site) -> None:
    viewer = here.visitor(Role.VIEWER)
    for path in (f"/series/{SERIES}", *(f"/series/{SERIES}/slices/0/{n}" for n in range(4))):
        assert viewer.get(path).status_code == 200
    assert looks(here) == [("some-viewer", SAID)]
    here.visitor(Role.OPERATOR).get(f"/series/{SERIES}/slices/0/0")
    elsewhere = here.browser(address="10.0.0.5")
    log_in(elsewhere, "some-viewer")
    elsewhere.get(f"/series/{SERIES}")
    assert looks(here)[1:] == [
        ("some-operator", SAID),
        ("some-viewer", SAID.replace("127.0.0.1", "10.0.0.5")),
    ]


def test_who_goes_on_looking_is_told_again_after_a_while(here: Site) -> None:
    viewer = here.visitor(Role.VIEWER)
    for later_s in (0.0, AGAIN_S - 1, AGAIN_S):
        here.clock.now = NOW + later_s
        viewer.get(f"/series/{SERIES}/slices/0/0")
    assert len(looks(here)) == 2


def test_nobody_looked_who_saw_nothing(here: Site) -> None:
    here.browser().get(f"/series/{SERIES}")
    viewer = here.visitor(Role.VIEWER)
    for path in ("/series", "/series/1.2.3", "/series/no-uid", f"/series/{SERIES}/progress"):
        viewer.get(path)
    assert looks(here) == []


def test_a_database_that_takes_no_writes_keeps_nobody_from_looking(
    here: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer, tell = here.visitor(Role.VIEWER), events.tell

    def refused(*_: object) -> None:
        raise LedgerDown("read-only")

    monkeypatch.setattr(events, "tell", refused)
    assert viewer.get(f"/series/{SERIES}").status_code == 200
    assert "look not recorded" in capsys.readouterr().out
    monkeypatch.setattr(events, "tell", tell)
    viewer.get(f"/series/{SERIES}/slices/0/0")
    assert looks(here) == [("some-viewer", SAID)]


def test_it_is_shown_to_administrators_alone_and_pushes_nothing_out(here: Site) -> None:
    viewer = here.visitor(Role.VIEWER)
    viewer.get(f"/series/{SERIES}")
    assert SAID not in viewer.get("/events").text
    admin = here.visitor(Role.ADMIN)
    assert SAID in admin.get("/events").text
    assert SAID not in admin.get("/").text


def test_the_message_is_that_of_instances_accessed() -> None:
    about = Event(at=NOW, kind=events.VIEWED, subject="eve", detail=SAID)
    told = audit_events.told(about, ae_title="HERE")
    assert told is not None
    text = xml(told, source="HERE")
    root: Any = checked(text)
    event = root.find("EventIdentification")
    assert (event.find("EventID").get("csd-code"), event.get("EventActionCode")) == ("110103", "R")
    person, node = root.findall("ActiveParticipant")
    assert (person.get("UserID"), person.get("UserIsRequestor")) == ("eve", "true")
    assert (person.get("NetworkAccessPointID"), node.get("UserIsRequestor")) == ("127.0.0.1", "false")
    (study,) = root.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == STUDY
    assert study.find("ParticipantObjectIDTypeCode").get("csd-code") == "110180"
    (detail,) = study.findall("ParticipantObjectDetail")
    assert base64.b64decode(detail.get("value")).decode() == SERIES
    assert PATIENT not in text
