"""STOW-RS: what a service answers, and what becomes of the object; Orthanc as a real one."""

from __future__ import annotations

import gzip
import json
import logging
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from node.destinations import WebAddress
from node.outgoing import Outgoing
from node.scu import Sent
from node.secured import Secured
from node.store_status import Disposition
from node.stow import stow
from node.tls import server_side
from storage.errors import PeerBusy, PeerRefused, PeerUnavailable
from storage.kinds import SOP_CLASSES, Kind
from tests.e2e import pacs as orthanc
from tests.node.authority import Authority, needs_openssl
from tests.node.delivery_world import object_bytes
from tests.node.receiving import free_port
from tests.node.web_service import Answer, Asked, service, store_response

UID: Final = "2.25.8.1"
DICOM_WEB: Final = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sr.dcm"
    path.write_bytes(object_bytes(Kind.SR, UID))
    return path


def sent(way: WebAddress, *files: Path, step_s: float = 5.0) -> list[Sent]:
    return list(stow(way, [Outgoing.of_file(each) for each in files], step_s=step_s))


def test_the_request_is_what_ps3_18_says_and_holds_the_stored_bytes(file: Path) -> None:
    with service(lambda asked: (200, store_response(stored={UID: None}))) as here:
        (one,) = sent(WebAddress(url=here.url), file)
    assert (one.disposition, one.status, one.reason) == (Disposition.STORED, 0, "Success (HTTP 200)")
    assert (one.sop_instance_uid, one.sop_class_uid) == (UID, SOP_CLASSES[Kind.SR])
    (asked,) = here.asked
    assert (asked.method, asked.path) == ("POST", "/dicom-web/studies")
    assert asked.headers["accept"] == "application/dicom+json"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    assert "authorization" not in asked.headers
    ((kind, content),) = asked.parts
    assert (kind, content) == ("application/dicom", file.read_bytes())


ANSWERS: Final[dict[str, tuple[Answer, Disposition]]] = {
    "200 without a body": ((200, b""), Disposition.STORED),
    "200 with a body that is none": ((200, b"<xml/>"), Disposition.STORED),
    "200 with a list": ((200, [store_response(stored={UID: None})]), Disposition.STORED),
    "200, coerced": ((200, store_response(stored={UID: 0xB000})), Disposition.WARNING),
    "200, and failed all the same": ((200, store_response(failed={UID: 0xA700})), Disposition.LATER),
    "202, with a warning": ((202, store_response(stored={UID: 0xB006})), Disposition.WARNING),
    "202, another instance": ((202, store_response(stored={"2.25.9": None})), Disposition.UNKNOWN),
    "202 without a body": ((202, b""), Disposition.UNKNOWN),
    "409, out of resources": ((409, store_response(failed={UID: 0xA700})), Disposition.LATER),
    "409, processing failure": ((409, store_response(failed={UID: 0x0110})), Disposition.LATER),
    "409, no such class": ((409, store_response(failed={UID: 0x0122})), Disposition.NOT_TAKEN),
    "409, does not match": ((409, store_response(failed={UID: 0xA900})), Disposition.NOT_TAKEN),
    "409, cannot understand": ((409, store_response(failed={UID: 0xC122})), Disposition.REFUSED),
    "409, duplicate": ((409, store_response(failed={UID: 0x0111})), Disposition.ALREADY_THERE),
    "409, a warning among the failures": (
        (409, store_response(failed={UID: 0xB000})),
        Disposition.REFUSED,
    ),
    "409 without a body": ((409, b""), Disposition.REFUSED),
    "400": ((400, b"no"), Disposition.REFUSED),
    "413": ((413, b""), Disposition.REFUSED),
    "415": ((415, b""), Disposition.NOT_TAKEN),
    "500": ((500, b"Traceback"), Disposition.LATER),
    "507": ((507, b""), Disposition.LATER),
    "299": ((299, b""), Disposition.REFUSED),
    "no answer": (None, Disposition.UNKNOWN),
    "brackets without end": ((200, b"[" * 200_000), Disposition.STORED),
    "an endless answer": ((200, b" " * 4_000_001), Disposition.UNKNOWN),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_an_answer_means_for_the_object(file: Path, name: str) -> None:
    answer, expected = ANSWERS[name]
    with service(lambda asked: answer) as here:
        (one,) = sent(WebAddress(url=here.url), file)
    assert one.disposition is expected
    assert one.reason


def test_a_compressed_answer_is_not_unpacked(file: Path) -> None:
    """Nobody asked for it, and a few bytes of it may become more than there is memory for."""
    packed = gzip.compress(json.dumps(store_response(stored={UID: None})).encode())
    with service(lambda asked: (200, packed), encoding="gzip") as here:
        (one,) = sent(WebAddress(url=here.url), file)
    assert one.disposition is Disposition.UNKNOWN
    assert one.reason == "sent, and no answer that can be read: DecodingError"


TROUBLES: Final[dict[int, tuple[type[Exception], str]]] = {
    302: (PeerRefused, "is at another address"),
    401: (PeerRefused, "wants other credentials"),
    403: (PeerRefused, "does not let us in"),
    404: (PeerRefused, "is no STOW-RS service at this address"),
    405: (PeerRefused, "is no STOW-RS service at this address"),
    501: (PeerRefused, "does not know STOW-RS"),
    408: (PeerBusy, "has waited too long"),
    429: (PeerBusy, "asks to be called again"),
    503: (PeerBusy, "asks to be called again"),
    502: (PeerUnavailable, "is not behind its gateway"),
    504: (PeerUnavailable, "does not answer its gateway"),
}


@pytest.mark.parametrize("status", TROUBLES)
def test_what_an_answer_means_for_the_service(file: Path, status: int) -> None:
    error, words = TROUBLES[status]
    with service(lambda asked: (status, b"")) as here, pytest.raises(error, match=words) as told:
        sent(WebAddress(url=here.url), file, file)
    assert type(told.value) is error
    assert f"HTTP {status}" in str(told.value)
    assert len(here.asked) == 1  # no redirect is followed, and nothing else is tried


def test_each_object_has_its_own_answer_over_one_connection(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Answer:
        return (409, store_response(failed={UID: 0xC000})) if UID.encode() in asked.body else (200, b"")

    files = []
    for kind, uid in ((Kind.SR, UID), (Kind.SEG, "2.25.9.2")):
        files.append(tmp_path / f"{kind}.dcm")
        files[-1].write_bytes(object_bytes(kind, uid))
    with service(answer) as here:
        found = {each.sop_instance_uid: each.disposition for each in sent(WebAddress(url=here.url), *files)}
    assert found == {UID: Disposition.REFUSED, "2.25.9.2": Disposition.STORED}


def test_nothing_listens(file: Path) -> None:
    way = WebAddress(url=f"http://127.0.0.1:{free_port()}/dicom-web")
    with pytest.raises(PeerUnavailable, match=r"127\.0\.0\.1:\d+/dicom-web: .*refused"):
        sent(way, file)


def test_it_never_answers(file: Path) -> None:
    """The data set is out: what became of it is not known."""
    import threading

    hangs = threading.Event()
    with service(lambda asked: (200, b"") if hangs.wait(30) else None) as here:
        (one,) = sent(WebAddress(url=here.url), file, step_s=0.3)
        hangs.set()
    assert one.disposition is Disposition.UNKNOWN
    assert one.reason == "sent, and no answer that can be read: ReadTimeout"


def test_a_file_that_is_gone_holds_up_no_other(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "seg.dcm"
    other.write_bytes(object_bytes(Kind.SEG, "2.25.9.2"))
    objects = [Outgoing.of_file(file), Outgoing.of_file(other)]
    file.unlink()
    with service(lambda asked: (200, b"")) as here:
        found = [each.disposition for each in stow(WebAddress(url=here.url), objects)]
    assert found == [Disposition.REFUSED, Disposition.STORED]


SECRET: Final = "s3cret-of-the-service"


def with_secret(way: WebAddress, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebAddress:
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    monkeypatch.setenv("STOW_SECRET", SECRET)
    keys: dict[str, Any] = {
        "file": {"secret_file": tmp_path / "secret"},
        "variable": {"secret_variable": "STOW_SECRET"},
    }[how.split()[-1]]
    return WebAddress(url=way.url, user="ctnode" if how.startswith("basic") else None, **keys)


@pytest.mark.parametrize("how", ["basic file", "bearer file", "basic variable", "bearer variable"])
def test_credentials_are_sent_and_told_to_nobody(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with service(lambda asked: (401, b"")) as here:
        way = with_secret(WebAddress(url=here.url), how, tmp_path, monkeypatch)
        with pytest.raises(PeerRefused) as told:
            sent(way, file)
    expected = {
        "basic": "Basic Y3Rub2RlOnMzY3JldC1vZi10aGUtc2VydmljZQ==",  # base64 -w0 of ctnode:SECRET
        "bearer": f"Bearer {SECRET}",
    }[how.split()[0]]
    assert here.asked[0].headers["authorization"] == expected
    shown = str(told.value) + repr(way) + caplog.text + "".join(capsys.readouterr())
    assert SECRET not in shown and expected.split()[1] not in shown


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"secret_file": Path("/nowhere/secret")}, "secret_file /nowhere/secret: No such file"),
        ({"secret_variable": "NOT_SET_AT_ALL"}, "secret_variable NOT_SET_AT_ALL is not set"),
        ({"secret_file": Path("/dev/null")}, "the secret is empty"),
    ],
)
def test_a_secret_that_is_not_there(file: Path, keys: dict[str, Any], words: str) -> None:
    with pytest.raises(PeerRefused, match=words):
        sent(WebAddress(url="http://127.0.0.1:9/x", **keys), file)


@needs_openssl
def test_tls_with_our_authority_alone(file: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    authority, stranger = Authority(tmp_path / "a"), Authority(tmp_path / "b", "stranger")
    pair = authority.sign("dicomweb")
    context = server_side(authority.tls(pair))  # mutual: it asks for our certificate
    with service(lambda asked: (200, b""), context=context) as here:
        good = authority.secured(authority.sign("node"))
        (one,) = sent(WebAddress(url=here.url, secured=good), file)
        assert one.disposition is Disposition.STORED
        for bad in (stranger.secured(None), None):  # nobody we trust, and nobody the system trusts
            with pytest.raises(PeerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                sent(WebAddress(url=here.url, secured=bad), file)
        missing = Secured(authorities=tmp_path / "gone.pem")
        with pytest.raises(PeerRefused, match="our own files for TLS"):
            sent(WebAddress(url=here.url, secured=missing), file)
    assert len(here.asked) == 1


def test_the_connection_is_closed_when_nobody_wants_more(file: Path) -> None:
    with service(lambda asked: (200, b"")) as here:
        sending = stow(WebAddress(url=here.url), [Outgoing.of_file(file)] * 2)
        with closing(sending):  # type: ignore[type-var]
            next(sending)
    assert len(here.asked) == 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[orthanc.Pacs]:
    if orthanc.PROGRAM is None or not DICOM_WEB.exists():
        pytest.skip("Orthanc is not installed with its DICOMweb plugin")
    server = orthanc.Pacs(
        folder=tmp_path_factory.mktemp("orthanc"), dicom_port=free_port(), http_port=free_port()
    )
    server.settings = {
        "Plugins": [str(DICOM_WEB)],
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"ctnode": SECRET},
        "OverwriteInstances": False,
    }
    yield from _running(server)


def _running(server: orthanc.Pacs) -> Iterator[orthanc.Pacs]:
    password = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    password.add_password(None, f"http://127.0.0.1:{server.http_port}/", "ctnode", SECRET)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(password))
    before = urllib.request._opener  # type: ignore[attr-defined]
    urllib.request.install_opener(opener)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        urllib.request.install_opener(before)


def test_orthanc_stores_what_is_sent_and_takes_it_again(
    server: orthanc.Pacs, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = f"http://127.0.0.1:{server.http_port}/dicom-web"
    with pytest.raises(PeerRefused, match="wants other credentials"):
        sent(WebAddress(url=root), file)
    way = with_secret(WebAddress(url=root), "basic file", tmp_path, monkeypatch)
    (first,) = sent(way, file)
    (again,) = sent(way, file)
    assert first.disposition is Disposition.STORED
    assert again.disposition.settled
    (stored,) = server.get("/instances")
    assert server.file(stored) == file.read_bytes()
    found = server.get(f"/dicom-web/instances?SOPInstanceUID={UID}")
    assert [each["00080018"]["Value"] for each in found] == [[UID]]
    with pytest.raises(PeerRefused, match="HTTP 404"):
        sent(WebAddress(url=f"{root}/nowhere", user=way.user, secret_file=way.secret_file), file)


def test_orthanc_refuses_what_is_no_dicom_object(server: orthanc.Pacs, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8")
    whole = object_bytes(Kind.SR, "2.25.8.7")
    path = tmp_path / "cut.dcm"
    path.write_bytes(whole[:-3])  # the last element ends too early
    root = f"http://127.0.0.1:{server.http_port}/dicom-web"
    way = WebAddress(url=root, user="ctnode", secret_file=tmp_path / "secret")
    each = Outgoing.of_file(path)
    assert each.transfer_syntax_uid == ExplicitVRLittleEndian
    (one,) = stow(way, [each])
    assert not one.disposition.settled, json.dumps(one.reason)
