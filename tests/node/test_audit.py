"""The audit trail: everything once, in messages of the schema, in a file that betrays who changes it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from node.audit import chain, events
from node.audit.auditing import Auditing
from node.audit.chain import GENESIS, Broken
from node.audit.file import append
from node.audit.message import xml
from node.audit.parts import audit_file
from node.audit.verifying import verify
from node.config import Audit, Config, Node, Storage
from storage import arrivals, audits, deliveries, schema
from storage import events as ledger_events
from storage.errors import LedgerDown, Unavailable
from storage.records import Association, Event
from storage.states import Ending
from tests.console import conftest, filled
from tests.console.filled import NOW, SLICES, STUDY
from tests.node import results
from tests.node.audit_schema import checked
from tests.node.receiving import Store

workflow_template = results.workflow_template
filled_root = conftest.filled_root

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def store(filled_root: Path, tmp_path: Path) -> Iterator[Store]:
    made = filled.copied(filled_root, tmp_path / "root")
    yield made
    made.ledger.close()


def config_of(store: Store, **section: Any) -> Config:
    return Config(node=Node(ae_title="HERE"), storage=Storage(root=store.root), audit=Audit(**section))


def auditing(store: Store, **section: Any) -> Auditing:
    return Auditing(config_of(store, **section), store.ledger, clock=lambda: NOW)


def tell(store: Store, kind: str, subject: str = "eve", detail: str = "", at: float = NOW) -> None:
    with store.ledger.writing() as connection:
        ledger_events.tell(connection, Event(at=at, kind=kind, subject=subject, detail=detail))


def written(store: Store) -> list[dict[str, Any]]:
    return [json.loads(line) for line in audit_file(config_of(store)).read_text().splitlines()]


def trail(store: Store) -> audits.Trail:
    with store.ledger.reading() as connection:
        return audits.trail(connection)


def messages(store: Store) -> list[Any]:
    return [checked(message) for line in written(store) for message in line["messages"]]


def sources(store: Store) -> list[str]:
    return [line["source"] for line in written(store)]


def code(root: Any, path: str) -> str | None:
    found = root.find(path)
    return None if found is None else found.get("csd-code")


# What is said.


def test_what_came_in_one_association_is_one_message_for_its_study(store: Store) -> None:
    auditing(store).audit()
    (came,) = [m for m in messages(store) if code(m, ".//EventID") == "110104"]
    event = came.find("EventIdentification")
    assert (event.get("EventActionCode"), event.get("EventOutcomeIndicator")) == ("C", "0")
    sender, here = came.findall("ActiveParticipant")
    assert (sender.get("UserID"), sender.get("NetworkAccessPointID")) == (filled.HOSTILE_AE[:16], "10.0.0.9")
    assert (sender.get("UserIsRequestor"), here.get("UserIsRequestor")) == ("true", "false")
    assert (code(sender, "RoleIDCode"), code(here, "RoleIDCode")) == ("110153", "110152")
    study = came.find("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == STUDY
    assert code(study, "ParticipantObjectIDTypeCode") == "110180"
    assert [dict(each.attrib) for each in study.iter("SOPClass")] == [
        {"UID": CT, "NumberOfInstances": str(SLICES)}
    ]


def test_an_association_that_is_open_is_not_audited_before_it_ends(store: Store) -> None:
    audit = auditing(store)
    audit.audit()
    assert "association:a2" not in sources(store)
    filled.close_all(store)
    audit.audit()
    assert sources(store)[-1] == "association:a2"
    last = messages(store)[-1]
    assert last.find("EventIdentification").get("EventOutcomeIndicator") == "4"
    assert last.findtext(".//EventOutcomeDescription") == "association aborted"


def test_results_at_a_destination_are_one_message_for_the_study(store: Store) -> None:
    audit = auditing(store)
    audit.audit()
    before = len(messages(store))
    with store.ledger.writing() as connection:
        ids = [row.id for row in deliveries.unsettled(connection)]
        deliveries.revive(connection, ids, NOW)
        deliveries.stored(connection, ids, NOW + 1)
    audit.audit()
    audit.audit()
    (sent,) = messages(store)[before:]
    assert code(sent, ".//EventID") == "110104"
    assert sent.find("EventIdentification").get("EventActionCode") == "R"
    assert [p.get("UserID") for p in sent.findall("ActiveParticipant")] == ["HERE", "pacs"]
    assert [each.get("NumberOfInstances") for each in sent.iter("SOPClass")] == ["2"]


@pytest.mark.parametrize(
    ("kind", "detail", "event", "type", "outcome"),
    [
        ("receiver listens", "", "110100", "110120", "0"),
        ("node stopped", "", "110100", "110121", "0"),
        ("rejected", "no peer has this AE title", "110113", "110126", "4"),
        ("configuration changed", "peers: 1 added", "110113", "110128", "0"),
        ("audit trail broken", "it is shorter", "110113", "110133", "8"),
        ("console", "logged in from 10.0.0.5", "110114", "110122", "0"),
        ("console", "login refused from 10.0.0.5", "110114", "110122", "4"),
        ("console", "logged out", "110114", "110123", "0"),
        ("console", "made account bob admin", "110113", "110137", "0"),
        ("console", "allowed CT2 from 10.0.0.7 as peer CT2", "110113", "110128", "0"),
        ("console", "try again dead: 3 deliveries", "operation", None, "0"),
        ("released", "1 series queued", "operation", None, "0"),
        ("exported", "3 instances of all series to /x", "operation", None, "0"),
    ],
)
def test_an_event_becomes_the_message_that_the_standard_has_for_it(
    kind: str, detail: str, event: str, type: str | None, outcome: str
) -> None:
    told = events.told(Event(at=NOW, kind=kind, subject="eve", detail=detail), ae_title="HERE")
    assert told is not None
    root = checked(xml(told, source="HERE"))
    assert (code(root, ".//EventID"), code(root, ".//EventTypeCode")) == (event, type)
    identification: Any = root.find("EventIdentification")
    assert identification.get("EventOutcomeIndicator") == outcome
    who = root.findall("ActiveParticipant[@UserIsRequestor='true']")
    requestors = [each.get("UserID") for each in who]
    by_itself = {"receiver listens": "operating system", "node stopped": "operating system"}
    assert requestors == [by_itself.get(kind, "an operator" if kind == "released" else "eve")]
    details = [each.attrib["value"] for each in root.iter("ParticipantObjectDetail")]
    assert [base64.b64decode(each).decode() for each in details] in ([detail], [])


def test_where_somebody_logged_in_from_is_told() -> None:
    about = Event(at=NOW, kind="console", subject="eve", detail="logged in from 2001:db8::5")
    told = events.told(about, ae_title="HERE")
    assert told is not None
    assert checked(xml(told, source="HERE")).find("ActiveParticipant").get("NetworkAccessPointID") == (  # type: ignore[union-attr]
        "2001:db8::5"
    )


def test_what_is_no_matter_of_security_is_not_audited(store: Store) -> None:
    tell(store, "dead letter", detail="refused")
    auditing(store).audit()
    assert "refused" not in audit_file(config_of(store)).read_text()
    with store.ledger.reading() as connection:
        assert audits.events(connection, 100) == []


def test_words_that_others_wrote_cannot_break_a_message() -> None:
    words = 'a\x00\x1b"<AuditMessage>&\n\ud800\ufffe'
    who = Association(id="a", calling_ae=words, called_ae="HERE", address="", opened_at=1.0, closed_at=2.0,
                      ending=Ending.RELEASED)  # fmt: skip
    study = events.Transfer(study_instance_uid="1.2", sop_classes={CT: 1})
    (message,) = events.received(who, [study])
    root = checked(xml(message, source="HERE"))
    assert root.find("ActiveParticipant").get("UserID") == 'a  "<AuditMessage>&   '  # type: ignore[union-attr]


def test_nothing_of_a_patient_is_in_the_trail(store: Store) -> None:
    filled.close_all(store)
    auditing(store).audit()
    text = audit_file(config_of(store)).read_text()
    assert STUDY in text
    for telling in (filled.PATIENT, "JANE", "4711", "Manufacturer", "LEG"):
        assert telling not in text, telling


# Once, and in order.


def test_each_row_is_written_once_and_in_the_order_of_time(store: Store) -> None:
    tell(store, "console", "late", "logged out", at=NOW + 2)
    tell(store, "console", "early", "logged out", at=1.0)
    audit = auditing(store)
    for _ in range(3):
        audit.audit()
    auditing(store).audit()  # another process
    lines = written(store)
    assert len({line["source"] for line in lines}) == len(lines)
    times = [m.find("EventIdentification").get("EventDateTime") for m in messages(store)]
    assert times == sorted(times)
    assert verify(audit_file(config_of(store)), trail(store)) == len(lines) == trail(store).lines


def test_a_process_that_ends_before_it_settled_writes_nothing_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise LedgerDown("the process was killed here")

    with monkeypatch.context() as patch:
        patch.setattr(audits, "done", killed)
        with pytest.raises(LedgerDown):
            auditing(store).audit()
    before = sources(store)
    assert before
    assert trail(store).lines == 0
    tell(store, "console", detail="logged out")
    again = auditing(store)
    again.audit()
    assert sources(store)[:-1] == before
    assert verify(audit_file(config_of(store)), trail(store)) == len(before) + 1 == trail(store).lines


def test_the_same_process_goes_on_after_the_database_was_away(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = auditing(store)
    with monkeypatch.context() as patch:
        patch.setattr(audits, "keep", lambda *_: (_ for _ in ()).throw(LedgerDown("away")))
        with pytest.raises(LedgerDown):
            audit.audit()
    audit.audit()
    assert len(set(sources(store))) == len(sources(store)) == trail(store).lines


def test_a_torn_line_is_written_again(store: Store) -> None:
    audit = auditing(store)
    audit.audit()
    path, count = audit_file(config_of(store)), len(written(store))
    with path.open("ab") as file:
        file.write(b'{"source": "event:99", "mess')
    tell(store, "console", detail="logged out")
    auditing(store).audit()
    assert verify(path, trail(store)) == count + 1


def test_a_full_disk_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = auditing(store)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(Unavailable, match="No space left"):
            audit.audit()
    audit.audit()
    assert len(set(sources(store))) == len(sources(store)) == trail(store).lines


def test_nothing_is_written_where_it_is_not_wanted(store: Store) -> None:
    auditing(store, enabled=False).audit()
    assert not audit_file(config_of(store)).exists()


# Whole, or not.


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path, previous, lines = tmp_path / "audit.log", GENESIS, []
    for number in range(5):
        lines.append(chain.line(f"event:{number}", [f"<m>{number}</m>"], previous=previous))
        previous = lines[-1].sha256
    append(path, lines)
    return path


def test_a_file_that_nobody_changed_is_whole(whole: Path) -> None:
    assert verify(whole, None) == 5
    assert oct(whole.stat().st_mode & 0o777) == "0o640"


CHANGES = {
    "a word": (lambda t: [*t[:2], t[2].replace(b"<m>2", b"<m>3"), *t[3:]], 3),
    "a source": (lambda t: [t[0].replace(b"event:0", b"event:9"), *t[1:]], 1),
    "a digest": (lambda t: [*t[:3], t[3][:-4] + b'0"}\n', t[4]], 4),
    "removed": (lambda t: [*t[:1], *t[2:]], 2),
    "the first": (lambda t: t[1:], 1),
    "exchanged": (lambda t: [t[0], t[2], t[1], *t[3:]], 2),
    "twice": (lambda t: [*t[:3], t[2], *t[3:]], 4),
    "put in": (lambda t: [*t[:4], b"{}\n", t[4]], 5),
    "no end": (lambda t: [*t[:4], t[4][:-1]], 5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_at_its_line(whole: Path, change: str) -> None:
    made, number = CHANGES[change]
    whole.write_bytes(b"".join(made(whole.read_bytes().splitlines(keepends=True))))
    with pytest.raises(Broken, match=f"^line {number} "):
        verify(whole, None)


def test_lines_that_are_cut_off_at_the_end_are_missed_by_the_ledger(store: Store) -> None:
    tell(store, "console", detail="logged out")
    auditing(store).audit()
    path = audit_file(config_of(store))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert verify(path, None) == len(lines) - 1
    with pytest.raises(Broken, match=f"line {len(lines)} is missing: {len(lines)} were written"):
        verify(path, trail(store))


@pytest.mark.parametrize("how", ["cut", "gone", "changed behind"])
def test_a_file_that_was_changed_is_told_and_stays_broken(store: Store, how: str) -> None:
    tell(store, "console", detail="logged out")
    auditing(store).audit()
    path = audit_file(config_of(store))
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif how == "gone":
        path.unlink()
    else:
        with path.open("ab") as file:
            file.write(b'{"source": "event:1", "messages": [], "sha256": "0"}\n')
    again = auditing(store)
    again.audit()
    again.audit()
    assert [each.detail != "" for each in store.events("audit trail broken")] == [True]
    assert code(messages_after(path), ".//EventTypeCode") == "110133"
    with pytest.raises(Broken):
        verify(path, trail(store))


def messages_after(path: Path) -> Any:
    return checked(json.loads(path.read_bytes().splitlines()[-1])["messages"][0])


def test_an_association_without_instances_is_done_with_without_a_line(store: Store) -> None:
    row = Association(id="echo", calling_ae="X", called_ae="HERE", address="", opened_at=NOW)
    with store.ledger.writing() as connection:
        arrivals.open_association(connection, row)
        arrivals.close_association(connection, "echo", Ending.RELEASED, NOW)
    auditing(store).audit()
    assert "association:echo" not in sources(store)
    with store.ledger.reading() as connection:
        table = schema.association.c
        assert connection.execute(select(table.audited).where(table.id == "echo")).scalar() is True
