"""One decoder for each compressed transfer syntax that the node takes, and no other one."""

from __future__ import annotations

import pytest
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import MPEG2MPML, UID, ExplicitVRLittleEndian

from node.contexts import COMPRESSED, UNCOMPRESSED
from storage.decoders import DECODERS, can_decode, plugin_for


def test_each_syntax_that_is_taken_has_its_decoder() -> None:
    assert set(DECODERS) == set(COMPRESSED)


@pytest.mark.parametrize("syntax", sorted(COMPRESSED), ids=lambda syntax: UID(syntax).name)
def test_the_decoder_is_installed(syntax: UID) -> None:
    assert plugin_for(syntax) in get_decoder(syntax).available_plugins
    assert can_decode(syntax)


@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=lambda syntax: syntax.name)
def test_what_is_not_compressed_needs_none(syntax: UID) -> None:
    assert plugin_for(syntax) == ""
    assert can_decode(syntax)


def test_a_video_cannot_be_decoded() -> None:
    assert not can_decode(MPEG2MPML)


def test_one_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DECODERS, ExplicitVRLittleEndian, "none")  # type: ignore[misc]
    assert not can_decode(ExplicitVRLittleEndian)
