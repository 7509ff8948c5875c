"""What a destination of results may say, every way to say it wrong, and where the message points."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.config import load
from node.config_results import ReadBack
from storage.errors import ConfigError
from storage.kinds import DEFAULT_KINDS, Kind

PEER = "peers:\n- {name: a, ae_title: A, hosts: [10.0.0.9], port: 104, gets_results: true,\n   %s}\n"
OTHER = "destinations:\n- {name: d,\n   %s}\n"

FAULTS = {
    "a kind that there is not": (
        PEER % "results: [sr, ct]",
        "3:13: peers[0].results: 'ct' is none of sr, seg, labelmap, ko, sc, gsps, pdf",
    ),
    "a kind twice": (PEER % "results: [sr, sr]", "3:13: peers[0].results: sr is written twice"),
    "a kind in place of itself": (
        PEER % "instead: {seg: sc, sc: seg}",
        "3:13: peers[0].instead: seg would be sent in place of itself",
    ),
    "instead, as a list": (
        PEER % "instead: [seg, sc]",
        "3:13: peers[0].instead: is not a mapping; write {seg: sc}",
    ),
    "results for nobody": (
        "peers:\n- {name: a, ae_title: A, results: [sr, sc]}\n",
        "2:3: peers[0].gets_results: is not true, but results is given: it gets nothing",
    ),
    "own results of one that sends nothing": (
        "peers:\n- {name: a, ae_title: A, hosts: [10.0.0.9], port: 104,\n   gets_results: own}\n",
        "3:18: peers[0].gets_results: is own, but may_send is not true: it has no series of its own",
    ),
    "yes to results": (
        "peers:\n- {name: a, ae_title: A,\n   gets_results: 'yes'}\n",
        "3:18: peers[0].gets_results: 'yes' is none of true, false and own",
    ),
    "a peer read back by QIDO": (
        PEER % "read_back: qido",
        "2:70: peers[0].gets_results: is true, but read_back is qido: an application entity is asked by find",
    ),
    "read back by nothing we know": (
        PEER % "read_back: get",
        "3:15: peers[0].read_back: 'get' is none of none, find, qido",
    ),
    "a destination of no sort": (
        OTHER % "results: [sr]",
        "2:3: destinations[0].folder: or url is missing: one of the two says where the results go",
    ),
    "a destination of both sorts": (
        OTHER % "url: 'https://a', folder: /b",
        "3:30: destinations[0].folder: is given, and url too: write two destinations",
    ),
    "an address of another sort": (
        OTHER % "url: 'ftp://a'",
        "3:9: destinations[0].url: is not the address of a DICOMweb service, such as "
        "https://pacs.example/dicom-web",
    ),
    "a port that is none": (
        OTHER % "url: 'https://a:99999/x'",
        "3:9: destinations[0].url: is not the address of a DICOMweb service, such as "
        "https://pacs.example/dicom-web: Port out of range 0-65535",
    ),
    "a host that no DNS knows": (
        OTHER % "url: 'https://a..b/x'",
        "3:9: destinations[0].url: is not the address of a DICOMweb service, such as "
        "https://pacs.example/dicom-web: 'a..b' is neither an IPv4 or IPv6 address nor a DNS name",
    ),
    "a space in the address": (
        OTHER % "url: 'https://a/b c'",
        "3:9: destinations[0].url: is not the address of a DICOMweb service, such as "
        "https://pacs.example/dicom-web",
    ),
    "a query behind the address": (
        OTHER % "url: 'https://a/?x=1'",
        "3:9: destinations[0].url: ends in a query or fragment: /studies is added to it",
    ),
    "a password in the address": (
        OTHER % "url: 'https://u:p@a'",
        "3:9: destinations[0].url: holds a user or password: write user, and secret_file or secret_variable",
    ),
    "a secret in the clear": (
        OTHER % "url: 'http://a', secret_file: s",
        "3:34: destinations[0].secret_file: is given, but url begins with http: everybody on the way could "
        "read it",
    ),
    "a user without a password": (
        OTHER % "url: 'https://a', user: u",
        "2:3: destinations[0].secret_variable: or secret_file is missing, but user is given: "
        "it has a password",
    ),
    "two secrets": (
        OTHER % "url: 'https://a', secret_file: s, secret_variable: S",
        "3:55: destinations[0].secret_variable: is given, and secret_file too: which of them holds the "
        "secret?",
    ),
    "a folder with a user": (
        OTHER % "folder: /b, user: u",
        "3:22: destinations[0].user: is given, but not url: a folder wants none",
    ),
    "a folder that is asked": (
        OTHER % "folder: /b, read_back: qido",
        "3:12: destinations[0].folder: is given, but read_back is qido: a folder is not asked",
    ),
    "a service that is to commit": (
        OTHER % "url: 'https://a', commitment: true",
        "3:34: destinations[0].commitment: is true, but only peers are asked: N-ACTION needs an application "
        "entity",
    ),
    "a service asked by C-FIND": (
        OTHER % "url: 'https://a', read_back: find",
        "3:33: destinations[0].read_back: is find, but only peers are asked so: a DICOMweb service is asked "
        "by qido",
    ),
    "a destination with a peer's name": (
        "peers:\n- {name: d, ae_title: A}\ndestinations:\n- {name: d, folder: /b}\n",
        "4:10: destinations[0].name: 'd' is the name of peers[0] already",
    ),
    "two destinations of one name": (
        "destinations:\n- {name: d, folder: /b}\n- {name: d, folder: /c}\n",
        "3:10: destinations[1].name: 'd' is the name of destinations[0] already",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_told_with_its_place(tmp_path: Path, fault: str) -> None:
    text, expected = FAULTS[fault]
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as wrong:
        load(path, environment={})
    assert str(wrong.value) == f"{path}:{expected}"


def test_what_is_written_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        PEER % "results: [ko, gsps, labelmap], instead: {ko: pdf, pdf: sc}, commitment: true, read_back: find"
        + OTHER % "url: 'https://a:8443/dicom-web/', read_back: qido, user: u, secret_file: secrets/p"
        + "- {name: e, url: 'http://127.0.0.1:8042/x', secret_variable: S}\n- {name: f, folder: out}\n",
        encoding="utf-8",
    )
    config = load(path, environment={})
    (peer,) = config.peers
    assert peer.results == (Kind.KO, Kind.GSPS, Kind.LABELMAP)
    assert peer.instead == {Kind.KO: Kind.PDF, Kind.PDF: Kind.SC}
    assert (peer.gets_results, peer.commitment, peer.read_back) == (True, True, ReadBack.FIND)
    web, here, folder = config.destinations
    assert (web.url, web.read_back, web.secret_file) == (
        "https://a:8443/dicom-web",
        ReadBack.QIDO,
        tmp_path / "secrets/p",
    )
    assert (here.secret_variable, folder.folder) == ("S", tmp_path / "out")
    for each in (web, here, folder):
        assert (each.results, each.instead, each.commitment) == (DEFAULT_KINDS, {}, False)
