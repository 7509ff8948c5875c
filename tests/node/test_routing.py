"""Who gets which results."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.addresses import PeerAddress
from node.config import Config, OtherDestination, Peer, Tls
from node.destinations import (
    Destination,
    FolderAddress,
    ReadBack,
    WebAddress,
    destination,
    destinations,
    kinds_wanted,
)
from node.routing import in_place_of, owed
from node.secured import Secured
from storage.kinds import DEFAULT_KINDS, Kind
from storage.records import ResultRow

PACS = Peer(
    name="pacs",
    ae_title="PACS",
    gets_results=True,
    hosts=("10.0.0.9",),
    port=104,
    results=("sr", "sc"),
    instead={"sr": "pdf"},
    commitment=True,
    read_back="find",
)
OWN = Peer(name="ws", ae_title="WS", gets_results="own", may_send=True, hosts=("10.0.0.8",), port=104)
SCANNER = Peer(name="ct1", ae_title="CT1", may_send=True, hosts=("10.0.0.1",), port=104)
WEB = OtherDestination(
    name="web", url="https://pacs.example/dicom-web/", results=("ko",), user="u", secret_variable="S"
)
FOLDER = OtherDestination(name="share", folder="/mnt/results")
CONFIG = Config(tls=Tls(authorities=Path("a.pem")), peers=(PACS, SCANNER, OWN), destinations=(WEB, FOLDER))


def test_destinations_are_peers_that_get_results_then_the_others_in_the_order_of_the_file() -> None:
    assert destinations(CONFIG) == (
        Destination(
            name="pacs",
            way=PeerAddress(ae_title="PACS", host="10.0.0.9", port=104),
            kinds=(Kind.SR, Kind.SC),
            instead={Kind.SR: Kind.PDF},
            commitment=True,
            read_back=ReadBack.FIND,
        ),
        Destination(name="ws", way=PeerAddress(ae_title="WS", host="10.0.0.8", port=104), only_from="WS"),
        Destination(
            name="web",
            way=WebAddress(
                url="https://pacs.example/dicom-web",
                user="u",
                secret_variable="S",
                secured=Secured(authorities=Path("a.pem")),
            ),
            kinds=(Kind.KO,),
        ),
        Destination(name="share", way=FolderAddress(folder=Path("/mnt/results"))),
    )
    assert destinations(Config()) == ()


def test_a_destination_by_its_name() -> None:
    found = destination(CONFIG, "share")
    assert found is not None and found.kinds == DEFAULT_KINDS
    assert destination(CONFIG, "ct1") is None  # it sends; it does not get
    assert destination(CONFIG, "gone") is None


def test_a_service_without_tls_or_with_authorities_of_its_own() -> None:
    def secured(**keys: str) -> Secured | None:
        config = Config(
            tls=Tls(authorities=Path("a.pem")), destinations=(OtherDestination(name="w", **keys),)
        )
        way = destinations(config)[0].way
        assert isinstance(way, WebAddress)
        return way.secured

    assert secured(url="http://pacs/x") is None
    assert secured(url="https://pacs/x", authorities="b.pem") == Secured(authorities=Path("b.pem"))


def test_what_is_made_is_what_anybody_gets_or_gets_instead() -> None:
    assert kinds_wanted(CONFIG) == {Kind.SR, Kind.SC, Kind.PDF, Kind.SEG, Kind.KO}
    assert kinds_wanted(Config(destinations=(WEB,))) == {Kind.KO}
    assert kinds_wanted(Config()) == set(DEFAULT_KINDS)


def row(kind: Kind, volume: int = 1, *, held: str | None = None) -> ResultRow:
    return ResultRow(
        sop_instance_uid=f"{kind}{volume}",
        sop_class_uid="1",
        series_instance_uid="2",
        revision=1,
        volume_number=volume,
        kind=kind,
        path="p",
        digest="d",
        size_bytes=1,
        held=held,
    )


def to(**keys: object) -> Destination:
    return Destination(name="x", way=FolderAddress(folder=Path("/x")), **keys)  # type: ignore[arg-type]


RESULTS = [row(Kind.SR), row(Kind.SEG), row(Kind.SC), row(Kind.SR, 2), row(Kind.SC, 2, held="wrong")]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ["SR1", "SEG1", "SR2"]),
        ({"kinds": (Kind.SC,)}, ["SC1"]),  # the other is held
        ({"kinds": (Kind.PDF,)}, []),
        ({"kinds": (Kind.SR,), "only_from": "CT1"}, ["SR1", "SR2"]),
        ({"kinds": (Kind.SR,), "only_from": "CT2"}, []),
    ],
)
def test_what_is_owed(keys: dict[str, object], expected: list[str]) -> None:
    found = owed(to(**keys), RESULTS, {"CT1", "WS"})
    assert [each.sop_instance_uid for each in found] == expected


def test_what_goes_in_the_place_of_a_kind_is_of_the_same_volume_and_passed_its_checks() -> None:
    there = to(instead={Kind.SR: Kind.SC})
    assert in_place_of(row(Kind.SR), there, RESULTS) == (Kind.SC, RESULTS[2])
    assert in_place_of(row(Kind.SR, 2), there, RESULTS) == (Kind.SC, None)
    assert in_place_of(row(Kind.SEG), there, RESULTS) == (None, None)
