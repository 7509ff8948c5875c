"""Peers put into config.yaml and taken out: what else stands there keeps every byte; nothing is half done."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.testing import CliRunner

from node import config_file
from node.authors import author
from node.config import load
from node.config_edit import with_peer, without_peer
from node.config_file import ConfigFile, FileEditor
from node.program import app
from storage.errors import ConfigError
from tests.documents.blocks import ROOT

PATH = Path("config.yaml")
CT2 = {"name": "CT2", "ae_title": "CT2", "may_send": True, "hosts": ["10.0.0.9", "::1"]}
LINES = '  - name: CT2\n    ae_title: CT2\n    may_send: true\n    hosts: [10.0.0.9, "::1"]\n'
IN_BRACES = '{name: CT2, ae_title: CT2, may_send: true, hosts: [10.0.0.9, "::1"]}'
TEXT = """\
# ours
peers:   # who is let in
  - name: CT1  # the old one
    ae_title: CT1
    hosts: [10.0.0.8,
            10.0.0.7]   # two
    may_send: true

  # no longer here
  # - name: CT0

storage: {root: data}  # below
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"peers:\n{LINES}"),
        ("node: {}", f"node: {{}}\npeers:\n{LINES}"),
        ("peers:\n", f"peers:\n{LINES}"),
        ("peers:  # none\n  # - x\n\nnode: {}\n", f"peers:  # none\n{LINES}  # - x\n\nnode: {{}}\n"),
        ("peers: []  # none\n", f"peers: [{IN_BRACES}]  # none\n"),
        ("peers: [{name: a}]", f"peers: [{{name: a}}, {IN_BRACES}]"),
        ("peers:\n- name: a # x\n# tail\n", f"peers:\n- name: a # x\n{dedent(LINES)}# tail\n"),
        ("peers:\n  - name: a\n    port:\n  # z\n", f"peers:\n  - name: a\n    port:\n{LINES}  # z\n"),
        ("peers:\r\n  - {name: a}\r\n", "peers:\r\n  - {name: a}\r\n" + LINES.replace("\n", "\r\n")),
    ],
)  # fmt: skip
def test_a_peer_is_put_behind_the_others_however_they_are_written(before: str, after: str) -> None:
    assert with_peer(before, CT2, PATH) == after
    left = without_peer(after, "CT2", PATH)
    assert left == (before or "peers:\n") if before != "node: {}" else left == "node: {}\npeers:\n"


def test_comments_order_and_layout_stay() -> None:
    added = with_peer(TEXT, CT2, PATH)
    assert added == TEXT.replace("    may_send: true\n", f"    may_send: true\n{LINES}", 1)
    assert without_peer(added, "CT2", PATH) == TEXT
    begin, end = TEXT.index("  - name: CT1"), TEXT.index("\n  # no longer here")
    assert without_peer(TEXT, "CT1", PATH) == TEXT[:begin] + TEXT[end:]


def test_the_manual_itself_can_be_edited(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(manual := (ROOT / "config.yaml").read_text())
    ConfigFile(path=file).add_peer(CT2)
    before, after = manual.splitlines(), file.read_text().splitlines()
    begin = after.index("  - name: CT2")
    assert after[begin : begin + 4] == LINES.splitlines()
    assert after[:begin] + after[begin + 4 :] == before
    ConfigFile(path=file).remove_peer("CT2")
    assert file.read_text() == manual


@pytest.mark.parametrize("text", ["{peers: []}", "peers: []\npeers: []\n", "--- {}\n...\n", "peers: {a: 1}"])
def test_what_is_written_as_nobody_foresaw_is_left_to_people(text: str) -> None:
    with pytest.raises(ConfigError):
        with_peer(text, CT2, PATH)


def test_a_name_that_nobody_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no peer is named 'CT9'; there are: CT1"):
        without_peer(TEXT, "CT9", PATH)


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=16)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from(["name", "ae_title"]), words, min_size=1), st.lists(words, max_size=3))
def test_whatever_a_value_is_it_is_read_as_it_was_meant(keys: dict[str, Any], hosts: list[str]) -> None:
    """Or refused, where the configuration wants no such character; never read as something else."""
    peer = {**keys, "hosts": hosts}
    try:
        text = with_peer(TEXT, peer, PATH)
    except ConfigError:
        assert any("${" in word for word in [*keys.values(), *hosts])
        return
    assert YAML(typ="safe", pure=True).load(text)["peers"][1] == peer


def written(folder: Path) -> Path:
    file = folder / "config.yaml"
    file.write_text(TEXT)
    (folder / "data").mkdir()
    return file


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({**CT2, "name": "CT1"}, r"peers\[1\]\.name: 'CT1' is the name of peers\[0\] already"),
        ({**CT2, "hosts": []}, r"config\.yaml:11:12: peers\[1\]\.hosts: is empty, but may_send is true"),
        ({**CT2, "port": 70000}, r"peers\[1\]\.port: 70000"),
        ({**CT2, "colour": "red"}, r"config\.yaml:12:5: peers\[1\]\.colour: unknown key"),
    ],
)
def test_a_refused_edit_names_line_and_key_and_leaves_the_file_alone(
    tmp_path: Path, keys: dict[str, Any], said: str
) -> None:
    file = written(tmp_path)
    before = file.stat().st_ino, file.stat().st_mtime_ns
    with pytest.raises(ConfigError, match=said):
        ConfigFile(path=file).add_peer(keys)
    assert file.read_text() == TEXT
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.yaml", "data"]


def test_mode_byte_order_mark_and_link_stay(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    file = written(real)
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    file.chmod(0o640)
    link = tmp_path / "config.yaml"
    link.symlink_to(file)
    ConfigFile(path=link).add_peer(CT2)
    assert link.is_symlink() and stat.S_IMODE(file.stat().st_mode) == 0o640
    assert file.read_bytes() == b"\xef\xbb\xbf" + with_peer(TEXT, CT2, PATH).encode()


def test_a_folder_that_takes_no_file_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(config_file.os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left on device; nothing was changed"):
        ConfigFile(path=file).add_peer(CT2)
    assert file.read_text() == TEXT
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.yaml", "data"]


def test_edits_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    """By processes, as the console and commands are."""
    file = written(tmp_path)
    code = (
        "import sys; from pathlib import Path; from node.config_file import FileEditor\n"
        "editor = FileEditor(path=Path(sys.argv[1]))\n"
        "editor.add_peer(name=sys.argv[2], ae_title='A', host='::1', may_send=True, by='x')"
    )
    names = [f"P{number}" for number in range(4)]
    commands = [[sys.executable, "-c", code, str(file), name] for name in names]
    running = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    assert [process.wait(120) for process in running] == [0] * 4
    assert sorted(peer.name for peer in load(file).peers) == ["CT1", *names]


def test_who_waited_has_the_lock_of_the_file_that_is_there_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that it waited for belongs to a file that was replaced meanwhile: it would keep nobody out."""
    file = written(tmp_path)
    flock, asks, seen = fcntl.flock, threading.Event(), []

    def told(descriptor: int, operation: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            asks.set()
        flock(descriptor, operation)

    def wait() -> None:
        with config_file._alone(file, file), file.open() as third:
            try:
                flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                seen.append("kept out")

    monkeypatch.setattr(config_file.fcntl, "flock", told)
    with config_file._alone(file, file):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert asks.wait(30)
        config_file._write(file, TEXT.replace("CT1", "CT7").encode(), file)
    waiting.join(30)
    assert seen == ["kept out"]


def test_a_whole_text_is_taken_only_by_who_saw_the_last_one(tmp_path: Path) -> None:
    file = written(tmp_path)
    editor = FileEditor(path=file)
    began = editor.text()
    editor.add_peer(name="CT2", ae_title="CT2", host="10.0.0.9", may_send=True, by="eve")
    assert author(tmp_path / "data", file.read_bytes()) == "eve"
    with pytest.raises(ConfigError, match="was changed meanwhile"):
        editor.replace(began + "# mine\n", was=began)
    with pytest.raises(ConfigError, match=r"config\.yaml:1:14: node\.port"):
        editor.replace("node: {port: x}", was=editor.text())
    assert [peer.name for peer in load(file).peers] == ["CT1", "CT2"]
    editor.replace(began, was=editor.text(), by="ann")
    assert file.read_text() == TEXT
    assert author(tmp_path / "data", file.read_bytes()) == "ann"
    file.write_text(TEXT + "# by hand\n")
    assert author(tmp_path / "data", file.read_bytes()) == "file"


def ctnode(file: Path, *words: str) -> Any:
    return CliRunner().invoke(app, [*words, "--config", str(file)], env={"COLUMNS": "200"})


def test_the_commands_and_their_exit_codes(tmp_path: Path) -> None:
    file = written(tmp_path)
    added = ctnode(
        file, "peers", "add", "PACS", "--ae-title", "MAIN PACS", "--host", "127.0.0.1", "--port", "1",
        "--gets-results", "--results", "sr,sc", "--query-for", "CT1",
    )  # fmt: skip
    assert added.exit_code == 0, added.output
    assert (
        '  - name: PACS\n    ae_title: "MAIN PACS"\n    gets_results: true\n    hosts: [127.0.0.1]\n'
        "    port: 1\n    results: [sr, sc]\n    query_for: [CT1]\n" in file.read_text()
    )
    listed = ctnode(file, "peers", "list")
    assert "MAIN PACS  127.0.0.1           port 1        get results" in listed.output
    assert '"name": "PACS"' in ctnode(file, "peers", "list", "--json").output
    tested = ctnode(file, "peers", "test", "PACS", "--json")
    assert tested.exit_code == 1 and '"outcome": "FAILED"' in tested.output
    assert ctnode(file, "peers", "test", "CT1").exit_code == 0
    for verb in ("test", "remove"):
        unknown = ctnode(file, "peers", verb, "CT9")
        assert unknown.exit_code == 2 and "there are: CT1, PACS" in unknown.output
    assert ctnode(file, "peers", "remove", "PACS").exit_code == 0
    assert file.read_text() == TEXT
    taken = ctnode(file, "peers", "remove", "CT1")
    assert taken.exit_code == 0
    assert "everybody is refused" in ctnode(file, "peers", "list").output
    assert os.access(file, os.W_OK)
