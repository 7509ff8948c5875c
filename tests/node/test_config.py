"""Every way to write the configuration wrong, and where the message points."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import ValidationError

from node.config import Assembly, Config, Peer, Storage, load
from node.config_environment import variables
from storage.errors import ConfigError

NODE_KEYS = (
    "ae_title, host, port, console_port, receivers, pin_receivers, max_associations, max_half_open, artim_s, "
    "network_timeout_s, max_instance_mb"
)


def problems(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    """The message's lines, without the folder of the file."""
    path = tmp_path / "config.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    with pytest.raises(ConfigError) as wrong:
        load(path, environment=environment or {})
    return str(wrong.value).replace(f"{tmp_path}/", "").splitlines()


FAULTS = {
    "unknown section": (
        "nodes: {}\n",
        "config.yaml:1:1: nodes: unknown key; did you mean 'node'? "
        "allowed here: node, tls, peers, destinations, assembly, storage, inference, delivery, query, "
        "commitment, proof, console, oidc, audit",
    ),
    "unknown key": (
        "node:\n  prot: 104\n",
        f"config.yaml:2:3: node.prot: unknown key; did you mean 'port'? allowed here: {NODE_KEYS}",
    ),
    "unknown key, nothing near": (
        "inference: {gpu: 1}\n",
        "config.yaml:1:13: inference.gpu: unknown key; allowed here: device",
    ),
    "unknown key of a peer": (
        "peers:\n  - {name: a, ae_title: A, aetitle: B}\n",
        "config.yaml:2:28: peers[0].aetitle: unknown key; did you mean 'ae_title'? "
        "allowed here: results, instead, commitment, read_back, name, ae_title, may_send, gets_results, "
        "hosts, port, query_for, max_associations, tls, certificate_name",
    ),
    "port out of range": (
        "node:\n  host: 0.0.0.0\n  port: 70000\n",
        "config.yaml:3:9: node.port: 70000 is not a port (1-65535)",
    ),
    "port zero": ("node: {port: 0}\n", "config.yaml:1:14: node.port: 0 is not a port (1-65535)"),
    "port in quotes": (
        'node:\n  port: "104"\n',
        "config.yaml:2:9: node.port: '104' is not a whole number",
    ),
    "port true": ("node:\n  port: true\n", "config.yaml:2:9: node.port: true is not a whole number"),
    "no value": ("node:\n  port:\n", "config.yaml:2:3: node.port: has no value; give one or remove the line"),
    "title too long": (
        "node:\n  ae_title: ABCDEFGHIJKLMNOPQ\n",
        "config.yaml:2:13: node.ae_title: 'ABCDEFGHIJKLMNOPQ' has 17 characters; "
        "an AE title has at most 16 (PS3.5 6.2)",
    ),
    "title with backslash": (
        "node:\n  ae_title: 'A\\B'\n",
        "config.yaml:2:13: node.ae_title: 'A\\\\B' holds '\\\\'; an AE title is ASCII without backslash "
        "and control characters (PS3.5 6.2)",
    ),
    "title of spaces": (
        "node: {ae_title: '   '}\n",
        "config.yaml:1:18: node.ae_title: an AE title has at least one character that is not a space "
        "(PS3.5 6.2)",
    ),
    "title that YAML reads as a number": (
        "node:\n  ae_title: 0815\n",
        "config.yaml:2:13: node.ae_title: 815 is not text; write it in quotes",
    ),
    "yes is not true": (
        "peers:\n  - {name: a, ae_title: A, may_send: yes}\n",
        "config.yaml:2:38: peers[0].may_send: 'yes' is not true or false",
    ),
    "peers as a mapping": (
        "peers:\n  name: a\n",
        "config.yaml:2:3: peers: a mapping is not a list; write [first, second] or lines that begin with '-'",
    ),
    "section as text": (
        "node: here\n",
        "config.yaml:1:7: node: 'here' is not a mapping of 'key: value' lines",
    ),
    "peer without a title": (
        "peers:\n  - name: a\n",
        "config.yaml:2:5: peers[0].ae_title: is missing",
    ),
    "name with a space": (
        "peers:\n  - name: my pacs\n    ae_title: A\n",
        "config.yaml:2:11: peers[0].name: 'my pacs' is not a name: 1 to 64 letters, digits, '.', '_' or '-'",
    ),
    "duplicate peer": (
        "peers:\n  - {name: a, ae_title: A}\n  - {name: b, ae_title: B}\n  - {name: a, ae_title: C}\n",
        "config.yaml:4:12: peers[2].name: 'a' is the name of peers[0] already",
    ),
    "duplicate key": (
        "node:\n  port: 104\n  host: 0.0.0.0\n  port: 105\n",
        "config.yaml:4:3: node.port: is written twice, first in line 2",
    ),
    "may send from nowhere": (
        "peers:\n  - name: a\n    ae_title: A\n    may_send: true\n    hosts: []\n",
        "config.yaml:5:12: peers[0].hosts: is empty, but may_send is true: "
        "list the addresses that it calls from",
    ),
    "results without a port": (
        "peers:\n  - name: a\n    ae_title: A\n    gets_results: true\n    hosts: [10.0.0.9]\n",
        "config.yaml:2:5: peers[0].port: is missing, but gets_results is true: results are delivered there",
    ),
    "results to a network": (
        "peers:\n- {name: a, ae_title: A, gets_results: true, hosts: [10.0.0.0/24], port: 104}\n",
        "config.yaml:2:53: peers[0].hosts: '10.0.0.0/24' is a network; "
        "one machine is needed: an address or a DNS name",
    ),
    "asked nowhere": (
        "peers:\n"
        "- {name: ct, ae_title: C, may_send: true, hosts: [10.0.0.1]}\n"
        "- {name: a, ae_title: A, hosts: [10.0.0.9], query_for: [ct]}\n",
        "config.yaml:3:56: peers[1].query_for: is given, but not where to ask: "
        "hosts, an address or a name first, and port",
    ),
    "asked for nobody": (
        "peers:\n- {name: a, ae_title: A, hosts: [10.0.0.9], port: 104, query_for: [ct]}\n",
        "config.yaml:2:1: peers: peers[0].query_for: 'ct' is no peer that may send",
    ),
    "bad CIDR": (
        "peers:\n  - name: a\n    ae_title: A\n    hosts: [10.0.0.9, 10.0.0.0/33]\n",
        "config.yaml:4:23: peers[0].hosts[1]: '10.0.0.0/33' is not a network in CIDR form, "
        "such as 10.0.0.0/24",
    ),
    "bits beyond the prefix": (
        "peers:\n  - name: a\n    ae_title: A\n    hosts:\n      - 10.0.0.9/29\n",
        "config.yaml:5:9: peers[0].hosts[0]: '10.0.0.9/29' has bits set beyond its prefix; "
        "write '10.0.0.8/29'",
    ),
    "quiet longer than cap": (
        "assembly:\n  cap_s: 5\n  quiet_s: 8\n",
        "config.yaml:2:10: assembly.cap_s: 5 is less than assembly.quiet_s (8)",
    ),
    "quiet longer than the default cap": (
        "assembly:\n  quiet_s: 2000\n",
        "config.yaml:1:1: assembly.cap_s: 1800 is less than assembly.quiet_s (2000)",
    ),
    "quiet of zero": (
        "assembly: {quiet_s: 0}\n",
        "config.yaml:1:21: assembly.quiet_s: 0 is too small; it must be more than 0.0",
    ),
    "the most of a quiet below its least": (
        "assembly:\n  quiet_min_s: 20\n",
        "config.yaml:1:1: assembly.quiet_max_s: 15 is less than assembly.quiet_min_s (20)",
    ),
    "the most of the long quiet below its least": (
        "assembly:\n  long_quiet_max_s: 5\n",
        "config.yaml:2:21: assembly.long_quiet_max_s: 5 is less than assembly.long_quiet_min_s (20)",
    ),
    "cap that never comes": (
        "assembly: {cap_s: .inf}\n",
        "config.yaml:1:19: assembly.cap_s: inf is not a number",
    ),
    "the same port twice": (
        "node:\n  port: 11180\n",
        "config.yaml:1:1: node.console_port: 11180 is node.port too; each needs a port of its own",
    ),
    "a TLS port without files": (
        "tls:\n  port: 2762\n  certificate: a.pem\n  key: a.key\n",
        "config.yaml:1:1: tls.authorities: is missing, but tls.port is given: "
        "nobody can be answered by TLS without it",
    ),
    "a certificate without its key": (
        "tls:\n  certificate: a.pem\n",
        "config.yaml:1:1: tls.key: tls.certificate is given, but not tls.key: each is of no use alone",
    ),
    "a key without its certificate": (
        "tls:\n  key: a.key\n",
        "config.yaml:2:8: tls.key: tls.key is given, but not tls.certificate: each is of no use alone",
    ),
    "TLS on the plain port": (
        "tls: {port: 11112, certificate: a, key: a, authorities: a}\n",
        "config.yaml:1:6: tls: port: 11112 is node.port too; each needs a port of its own",
    ),
    "TLS on the port of the console": (
        "node: {console_port: 2762}\ntls: {port: 2762, certificate: a, key: a, authorities: a}\n",
        "config.yaml:2:6: tls: port: 2762 is node.console_port too; each needs a port of its own",
    ),
    "a peer by TLS without authorities": (
        "peers:\n- {name: a, ae_title: A, tls: true}\n",
        "config.yaml:2:1: peers: peers[0].tls: is true, but tls.authorities is missing: "
        "nobody says whose certificate is good",
    ),
    "a sender by TLS without a port": (
        "tls: {authorities: a}\n"
        "peers:\n- {name: a, ae_title: A, may_send: true, hosts: [10.0.0.9], tls: true}\n",
        "config.yaml:3:1: peers: peers[0].tls: is true and it may send, but tls.port is missing: "
        "it could not call us",
    ),
    "a certificate without TLS": (
        "peers:\n- {name: a, ae_title: A, certificate_name: CT1}\n",
        "config.yaml:2:44: peers[0].certificate_name: is given, but tls is not true: "
        "without TLS nobody shows a certificate",
    ),
    "negative reserve": (
        "storage: {reserve_mb: -1}\n",
        "config.yaml:1:23: storage.reserve_mb: -1 is too small; at least 0 is allowed",
    ),
    "shorter than a row takes": (
        "commitment: {wait_s: 0.2}\n",
        "config.yaml:1:22: commitment.wait_s: 0.2 is too small; at least 1.0 is allowed",
    ),
    "unknown database": (
        "storage:\n  database: mysql://ctnode:geheim@db/ctnode\n",
        "config.yaml:2:13: storage.database: is not the URL of a database we know: "
        "sqlite:////absolute/path.sqlite or postgresql+psycopg://user:password@host/name",
    ),
    "a database that is a number": (
        "storage: {database: 5}\n",
        "config.yaml:1:21: storage.database: the value is not text; write it in quotes",
    ),
    "unknown device": (
        "inference: {device: gpu}\n",
        "config.yaml:1:21: inference.device: 'gpu' is none of auto, cpu, cuda and cuda:0, cuda:1, ...",
    ),
    "retry max below first": (
        "delivery:\n  retry_first_s: 60\n  retry_max_s: 30\n",
        "config.yaml:3:16: delivery.retry_max_s: 30 is less than delivery.retry_first_s (60)",
    ),
    "no mapping": ("- a\n", "config.yaml:1:1: is not a mapping of sections"),
    "unfinished list": (
        "node:\n  host: [a,\nport: 1\n",
        "config.yaml:4:1: not valid YAML: while parsing a flow sequence, "
        "expected ',' or ']', but got '<stream end>'",
    ),
    "tab": (
        "node:\n\tport: 1\n",
        "config.yaml:2:1: not valid YAML: while scanning for the next token, "
        "found character '\\t' that cannot start any token",
    ),
    "second document": (
        "node: {}\n---\nnode: {}\n",
        "config.yaml:2:1: not valid YAML: expected a single document in the stream, "
        "but found another document",
    ),
    "control character": ("node:\n  host: a\x01\n", "config.yaml:2:10: control character in the file"),
    "alias of itself": (
        "peers: &all [*all]\n",
        "config.yaml:1:8: peers[0]: repeats &all; write it out",
    ),
    "foreign tag": (
        "node:\n  port: !env PORT\n",
        "config.yaml:2:9: node.port: 'PORT' with the tag '!env' is not understood",
    ),
    "a variable in the file": (
        "storage:\n  root: ${HOME}/x\n",
        "config.yaml:2:9: storage.root: '${' is not replaced here; set CTNODE_STORAGE__ROOT instead",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_told_with_its_place(tmp_path: Path, fault: str) -> None:
    text, expected = FAULTS[fault]
    assert problems(tmp_path, text) == [expected]


def test_all_faults_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
        assembly: {quiet_s: x}
        peers:
          - name: a
            ae_title: A
            may_send: true
            port: 70000
          - name: a
        node:
          port: 0
          port: 1
        """
    places = [line.split(": ")[:2] for line in problems(tmp_path, text)]
    assert places == [
        ["config.yaml:1:21", "assembly.quiet_s"],
        ["config.yaml:3:5", "peers[0].hosts"],
        ["config.yaml:6:11", "peers[0].port"],
        ["config.yaml:7:5", "peers[1].ae_title"],
        ["config.yaml:7:11", "peers[1].name"],
        ["config.yaml:9:9", "node.port"],
        ["config.yaml:10:3", "node.port"],
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read: there is no such file$"):
        load(tmp_path / "config.yaml", environment={})


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load(tmp_path, environment={})


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("node:\n  ae_title: KÖLN\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r":2:14: is not UTF-8 text$"):
        load(path, environment={})


@pytest.mark.parametrize("text", ["", "# nothing\n", "peers:\n", "node: {}\npeers: []\n", "\ufeffpeers:\n"])
def test_what_is_left_out_means_its_default(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    loaded = load(path, environment={})
    assert (loaded.node, loaded.peers, loaded.delivery) == (Config().node, (), Config().delivery)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("node:\n  port: 104\n")
    environment = {"CTNODE_NODE__PORT": "105", "CTNODE_NODE__AE_TITLE": "0815", "CTNODE_CONFIG": "x"}
    loaded = load(path, environment=environment)
    assert (loaded.node.port, loaded.node.ae_title) == (105, "0815")


def test_a_fault_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    environment = {
        "CTNODE_NODE__PORT": "70000",
        "CTNODE_NODE__PROT": "1",
        "CTNODE_DELIVERY__RETRY_MAX_S": "x",
    }
    assert problems(tmp_path, "node:\n  host: ''\n", environment) == [
        "CTNODE_DELIVERY__RETRY_MAX_S: delivery.retry_max_s: 'x' is not a number",
        "CTNODE_NODE__PORT: node.port: 70000 is not a port (1-65535)",
        "CTNODE_NODE__PROT: sets nothing; did you mean CTNODE_NODE__PORT?",
        "config.yaml:2:9: node.host: '' is neither an IPv4 or IPv6 address nor a DNS name",
    ]


def test_a_variable_for_every_key_but_the_peers() -> None:
    names = set(variables(Config))
    assert {"CTNODE_STORAGE__DATABASE", "CTNODE_ASSEMBLY__QUIET_S", "CTNODE_INFERENCE__DEVICE"} <= names
    assert not any(name.startswith("CTNODE_PEERS") for name in names)


def test_the_root_is_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("storage: {root: ./kept}\n")
    storage = load(path, environment={}).storage
    assert storage.root == tmp_path / "kept"
    assert storage.database_url == f"sqlite:///{tmp_path}/kept/ledger.sqlite"


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("")
    url = "postgresql+psycopg://ctnode:geheim@db:5432/ledger?sslpassword=geheim"
    loaded = load(path, environment={"CTNODE_STORAGE__DATABASE": url})
    assert loaded.storage.database_url == url
    assert loaded.storage.database_shown == "postgresql+psycopg://db:5432/ledger"
    assert "geheim" not in repr(loaded) + str(loaded) + loaded.model_dump_json()


@pytest.mark.parametrize("value", ["mysql://u:geheim@h/d", "geheim", "postgresql://u:geheim@h/d"])
def test_a_wrong_password_url_is_not_repeated(tmp_path: Path, value: str) -> None:
    lines = problems(tmp_path, "", {"CTNODE_STORAGE__DATABASE": value})
    assert len(lines) == 1
    assert "geheim" not in lines[0]


def test_nothing_changes_after_loading() -> None:
    config = Config(peers=(Peer(name="a", ae_title="A"),))
    with pytest.raises(ValidationError):
        config.node.port = 105  # type: ignore[misc]


def test_names_differ_in_code_as_well() -> None:
    twins = (Peer(name="a", ae_title="A"), Peer(name="a", ae_title="B"))
    with pytest.raises(ValidationError, match=r"peers\[1\]\.name: 'a' is the name of peers\[0\] already"):
        Config(peers=twins)


@pytest.mark.parametrize(
    ("hosts", "port", "called"),
    [
        (("pacs", "10.0.0.9"), 104, "MAIN@pacs:104"),
        (("10.0.0.0/24",), 104, None),
        ((), 104, None),
        (("pacs",), None, None),
    ],
)
def test_where_a_peer_is_called(hosts: tuple[str, ...], port: int | None, called: str | None) -> None:
    address = Peer(name="p", ae_title="MAIN", hosts=hosts, port=port).address
    assert (str(address) if address else None) == called


def test_default_storage_needs_no_file() -> None:
    assert Storage().root == Path("ctnode-data")


@pytest.mark.parametrize(
    ("written", "short_s", "long_s"),
    [
        ({}, (2, 4, 15), (20, 60, 300)),
        ({"quiet_s": 0.1}, (0.1, 0.1, 15), (1.5, 1.5, 300)),  # what is written lies within what is learned
        ({"quiet_s": 30.0}, (2, 30, 30), (20, 450, 450)),
        ({"quiet_s": 2.0}, (2, 2, 15), (20, 30, 300)),
        ({"quiet_s": 90.0, "long_quiet_s": 60.0}, (2, 90, 90), (20, 90, 300)),  # long is never the shorter
        ({"long_quiet_s": 5.0}, (2, 4, 15), (5, 5, 300)),
        ({"quiet_min_s": 4.0, "quiet_max_s": 4.0}, (4, 4, 4), (20, 60, 300)),  # nothing is learned
    ],
)
def test_the_bounds_of_what_is_learned(
    written: dict[str, float], short_s: tuple[float, ...], long_s: tuple[float, ...]
) -> None:
    found = Assembly(**written).bounds
    assert (found.least.short_s, found.untaught.short_s, found.most.short_s) == short_s
    assert (found.least.long_s, found.untaught.long_s, found.most.long_s) == long_s
