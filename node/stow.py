"""Objects to a DICOMweb service by STOW-RS (PS3.18 10.5): the stored bytes as they are.

One object in each request: what becomes of it is then clear even where a service answers a status alone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from node.destinations import WebAddress
from node.outgoing import Encoded, Outgoing
from node.scu import Sent
from node.store_status import Disposition, interpret
from node.web import STEP_S, body_of, web_client
from storage.errors import PeerBusy, PeerRefused, PeerUnavailable, Unreadable

PIECE_BYTES: Final = 256 * 1024

FAILED, REFERENCED = "00081198", "00081199"
"""Failed SOP Sequence, Referenced SOP Sequence (PS3.3 C.34: Store Instances Response Module)."""
INSTANCE, FAILURE_REASON, WARNING_REASON = "00081155", "00081197", "00081196"
"""Referenced SOP Instance UID, Failure Reason, Warning Reason: of their items."""

Row = tuple[int, int, Disposition | type[Exception], str]
"""First status, last status, what it means for the object or for the service, in words."""

TABLE: Final[tuple[Row, ...]] = (
    # PS3.18 Table 10.5.3-1; a body that names the instance goes before it.
    (200, 200, Disposition.STORED, "OK"),
    (202, 202, Disposition.UNKNOWN, "Accepted, and the answer does not name the instance"),
    (400, 400, Disposition.REFUSED, "Bad Request"),
    (409, 409, Disposition.REFUSED, "Conflict"),
    (415, 415, Disposition.NOT_TAKEN, "Unsupported Media Type"),
    # PS3.18 8.5 and RFC 9110 15: the service as a whole.
    (300, 399, PeerRefused, "is at another address"),
    (401, 401, PeerRefused, "wants other credentials (Unauthorized)"),
    (403, 403, PeerRefused, "does not let us in (Forbidden)"),
    (407, 407, PeerRefused, "stands behind a proxy that wants credentials"),
    (404, 405, PeerRefused, "is no STOW-RS service at this address"),
    (406, 406, PeerRefused, "does not answer in DICOM JSON (Not Acceptable)"),
    (410, 410, PeerRefused, "is gone from this address"),
    (408, 408, PeerBusy, "has waited too long for us (Request Timeout)"),
    (425, 429, PeerBusy, "asks to be called again (Too Many Requests)"),
    (503, 503, PeerBusy, "asks to be called again (Service Unavailable)"),
    (501, 501, PeerRefused, "does not know STOW-RS (Not Implemented)"),
    (502, 502, PeerUnavailable, "is not behind its gateway (Bad Gateway)"),
    (504, 504, PeerUnavailable, "does not answer its gateway (Gateway Timeout)"),
    # The same object will be refused again; what is left of 5xx passes, as Out of Resources does.
    (400, 499, Disposition.REFUSED, "a refusal"),
    (500, 599, Disposition.LATER, "an error of the service's own"),
)
"""The first row that holds a status counts."""


def stow(way: WebAddress, objects: Sequence[Outgoing], *, step_s: float = STEP_S) -> Iterator[Sent]:
    """Send objects; each is yielded once, as soon as the service has answered.

    What was not yielded before an exception was not settled and is sent again later. An object that went
    out without an answer is `Disposition.UNKNOWN`.

    Args:
        way: the service.
        objects: DICOM files (`Outgoing.of_file`).
        step_s: how long one write, or the wait for the next bytes of an answer, may take.

    Raises:
        PeerUnavailable: the service cannot be reached: try again later.
        PeerBusy: it asks to be called again.
        PeerRefused: it does not let us in, or is no STOW-RS service: an administrator has to act.
    """
    with web_client(way, step_s=step_s) as client:
        for each in objects:
            yield _store(client, way, each)


def _store(client: httpx.Client, way: WebAddress, each: Outgoing) -> Sent:
    boundary = secrets.token_hex(16)
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    assert isinstance(each.source, Path)  # results are files
    try:
        size_bytes = each.source.stat().st_size
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Content-Length": str(len(head) + size_bytes + len(tail)),
            "Accept": "application/dicom+json",
        }
        body = _body(head, Encoded(source=each.source, size_bytes=size_bytes), tail)
        with client.stream("POST", f"{way}/studies", content=body, headers=headers) as response:
            return _answered(way, each, response.status_code, _json(body_of(response)))
    except (OSError, Unreadable) as error:
        return _sent(each, Disposition.REFUSED, reason=str(error))
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise PeerUnavailable(f"{way}: {error or 'no answer to the connection'}") from error
    except httpx.HTTPError as error:
        reason = f"sent, and no answer that can be read: {type(error).__name__}"
        return _sent(each, Disposition.UNKNOWN, reason=reason)


def _body(head: bytes, encoded: Encoded, tail: bytes) -> Iterator[bytes]:
    """The one part (PS3.18 8.6.1.2.1), in pieces. Raises Unreadable."""
    yield head
    with encoded.pieces(memoryview(bytearray(PIECE_BYTES))) as pieces:
        yield from map(bytes, pieces)
    yield tail


def _json(body: bytes) -> dict[str, Any]:
    """The Store Instances Response Module as DICOM JSON (PS3.18 F.2); nothing where it is something else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):  # the latter: brackets without end
        return {}
    if isinstance(found, list) and found:
        found = found[0]
    return found if isinstance(found, dict) else {}


def _answered(way: WebAddress, each: Outgoing, status: int, body: dict[str, Any]) -> Sent:
    if (failed := _item(body, FAILED, each)) is not None:
        reason = _number(failed, FAILURE_REASON)
        disposition, meaning = interpret(0x0110 if reason is None else reason)
        if disposition.settled and reason != 0x0111:  # it stands among those that failed
            disposition = Disposition.REFUSED
        return _sent(each, disposition, status=reason, reason=f"{meaning} (HTTP {status})")
    if (stored := _item(body, REFERENCED, each)) is not None:
        warning = _number(stored, WARNING_REASON)
        disposition, meaning = interpret(warning or 0x0000)
        settled = disposition if disposition.settled else Disposition.WARNING
        return _sent(each, settled, status=warning or 0x0000, reason=f"{meaning} (HTTP {status})")
    meant, words = next(
        ((meant, words) for first, last, meant, words in TABLE if first <= status <= last),
        (Disposition.REFUSED, "a status that PS3.18 does not list"),
    )
    if isinstance(meant, Disposition):
        return _sent(each, meant, reason=f"HTTP {status} {words}")
    raise meant(f"{way} {words} (HTTP {status})")


def _item(body: dict[str, Any], sequence: str, each: Outgoing) -> dict[str, Any] | None:
    """The item about an object; of a sequence with one item that names none, that one."""
    items = _values(body.get(sequence))
    for item in items:
        if isinstance(item, dict) and each.sop_instance_uid in _values(item.get(INSTANCE)):
            return item
    return None


def _number(item: dict[str, Any], tag: str) -> int | None:
    value = next(iter(_values(item.get(tag))), None)
    return value if isinstance(value, int) else None


def _values(attribute: object) -> list[Any]:
    found = attribute.get("Value") if isinstance(attribute, dict) else None
    return found if isinstance(found, list) else []


def _sent(each: Outgoing, disposition: Disposition, *, status: int | None = None, reason: str) -> Sent:
    return Sent(
        sop_instance_uid=str(each.sop_instance_uid),
        sop_class_uid=str(each.sop_class_uid),
        disposition=disposition,
        status=status,
        reason=reason,
    )
