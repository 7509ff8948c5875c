"""Where a DICOMweb service filed what it has: a service that answers QIDO-RS with a script."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from node.calls import Calls
from node.config import Config, OtherDestination
from node.destinations import WebAddress, destination
from node.proof import Step
from node.proving import Proving
from node.query import Declined
from node.read_back import Filed, Sought
from node.read_back_web import find
from storage import deliveries, proofs
from storage.errors import PeerUnavailable
from storage.states import DeliveryState
from tests.node.proof_peers import SEG, SR, T0, Sendings
from tests.node.receiving import SERIES, Store, free_port
from tests.node.results import analysed

OURS = Sought(
    study_instance_uid="2.25.9", series_instance_uid="2.25.10", sop_instance_uid="2.25.1", patient_id="4711"
)


class Service:
    """QIDO-RS: what was asked, and answers by SOP Instance UID."""

    def __init__(self, status: int, body: Any) -> None:
        self.asked: list[tuple[str, dict[str, list[str]], str | None]] = []
        self._status, self._body = status, body

    @contextmanager
    def listening(self) -> Iterator[WebAddress]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                service.asked.append((parts.path, parse_qs(parts.query), self.headers["Accept"]))
                (uid,) = parse_qs(parts.query)["SOPInstanceUID"]
                body = service._body(uid) if callable(service._body) else service._body
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(service._status)
                self.end_headers()
                if service._status != 204:
                    self.wfile.write(data)

            def log_message(self, *_arguments: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield WebAddress(url=f"http://127.0.0.1:{server.server_port}/dicom-web")
        finally:
            server.shutdown()
            server.server_close()


def match(study: str = "2.25.9", series: str = "2.25.10", sop: str = "2.25.1", patient: str = "4711") -> Any:
    values = {"0020000D": study, "0020000E": series, "00080018": sop, "00100020": patient}
    vrs = {"00100020": "LO"}
    return {tag: {"vr": vrs.get(tag, "UI"), "Value": [value]} for tag, value in values.items() if value != ""}


ANSWERS: list[tuple[int, Any, Filed]] = [
    (200, [match()], Filed.RIGHT),
    (200, [match(patient="")], Filed.RIGHT),
    (200, [match(series="")], Filed.RIGHT),
    (200, [match(study="2.25.77")], Filed.OTHER_STUDY),
    (200, [match(series="2.25.77")], Filed.OTHER_SERIES),
    (200, [match(patient="4712")], Filed.OTHER_PATIENT),
    (200, [match(), match(patient="4712")], Filed.TWO_PATIENTS),
    (200, [match(sop="2.25.2")], Filed.NOWHERE),
    (200, [], Filed.NOWHERE),
    (204, [], Filed.NOWHERE),
]


@pytest.mark.parametrize(("status", "body", "filed"), ANSWERS)
def test_what_the_answer_says(status: int, body: Any, filed: Filed) -> None:
    service = Service(status, body)
    with service.listening() as way:
        assert [found for _each, found in find(way, [OURS])] == [filed]
    ((path, query, accept),) = service.asked
    assert (path, query["SOPInstanceUID"]) == ("/dicom-web/instances", ["2.25.1"])
    assert query["includefield"] == ["0020000D", "0020000E", "00080018", "00100020"]
    assert accept == "application/dicom+json"


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, []), (500, []), (200, b"<html>"), (200, {"a": 1}), (200, [[]]), (200, b"[" * 200_000)],
)
def test_an_answer_that_is_none_is_asked_for_again(status: int, body: Any) -> None:
    with Service(status, body).listening() as way:
        ((_each, found),) = find(way, [OURS])
    assert isinstance(found, Declined)
    assert "QIDO-RS" in str(found)


def test_a_service_that_is_away() -> None:
    with pytest.raises(PeerUnavailable, match="does not answer QIDO-RS"):
        list(find(WebAddress(url=f"http://127.0.0.1:{free_port()}"), [OURS]))


def test_results_are_verified(tmp_path: Path) -> None:
    """The SR is in its study; the SEG is in another one."""
    node = Store(tmp_path)
    analysed(node)

    def body(uid: str) -> Any:
        return [match(sop=uid, study="2.25.9" if uid == SR else "2.25.77", patient="")]

    with Service(200, body).listening() as way:
        web = OtherDestination(name="web", url=way.url, read_back="qido")
        config = Config(destinations=(web,))
        with node.ledger.writing() as connection:
            for uid in (SR, SEG):
                deliveries.owe(connection, uid, "web", T0)
            rows = deliveries.deliveries_of(connection, SERIES)
            deliveries.stored(connection, [row.id for row in rows], T0)
            due = proofs.due(connection, "web", {DeliveryState.STORED}, T0)
        proving = Proving(config, node.blobs, node.ledger, Calls(), Sendings(), clock=lambda: T0)
        asked = destination(config, "web")
        assert asked is not None
        proving.ask(asked, Step.READ_BACK, due)
    with node.ledger.reading() as connection:
        found = {
            row.result.sop_instance_uid: (row.state, row.last_error)
            for row in deliveries.deliveries_of(connection, SERIES)
        }
    assert found == {
        SR: (DeliveryState.VERIFIED, None),
        SEG: (DeliveryState.DEAD, "stored, but found in another study"),
    }
