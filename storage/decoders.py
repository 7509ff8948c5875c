"""Which library decodes which transfer syntax: one each, of those that pydicom knows.

Left alone, pydicom hands a frame that one decoder refuses to the next, so whoever sends images chooses among
all of them, the oldest included. One decoder each is what is tested, and what an advisory is read against.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

DECODERS: Final[Mapping[UID, str]] = {
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "gdcm",  # pillow decodes eight bits alone
    JPEGLossless: "gdcm",
    JPEGLosslessSV1: "gdcm",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
    HTJ2KLossless: "pylibjpeg",
    HTJ2KLosslessRPCL: "pylibjpeg",
    HTJ2K: "pylibjpeg",
    RLELossless: "pylibjpeg",
}
"""Transfer syntax (PS3.5 A.4) -> pydicom's name for the decoder."""


def plugin_for(syntax: UID) -> str:
    """The one decoder, by the name that pydicom's `decoding_plugin` takes; empty where none is needed."""
    return DECODERS.get(syntax, "")


def can_decode(syntax: UID) -> bool:
    """Whether the pixels of a transfer syntax can be read with what is installed."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return False
    plugin = plugin_for(syntax)
    return plugin in decoder.available_plugins if plugin else not syntax.is_encapsulated
