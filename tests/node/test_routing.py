"""Who gets the results."""

from __future__ import annotations

from node.config import Config, Peer
from node.routing import destination, destinations

PACS = Peer(name="pacs", ae_title="PACS", gets_results=True, hosts=("10.0.0.9",), port=104)
VNA = Peer(name="vna", ae_title="VNA", gets_results=True, may_send=True, hosts=("10.0.0.8",), port=104)
SCANNER = Peer(name="ct1", ae_title="CT1", may_send=True, hosts=("10.0.0.1",), port=104)
CONFIG = Config(peers=(PACS, SCANNER, VNA))


def test_results_go_to_those_who_get_them_in_the_order_of_the_file() -> None:
    assert destinations(CONFIG) == (PACS, VNA)
    assert destinations(Config()) == ()


def test_a_destination_by_its_name() -> None:
    assert destination(CONFIG, "vna") == VNA
    assert destination(CONFIG, "ct1") is None  # it sends; it does not get
    assert destination(CONFIG, "gone") is None
