"""Kernel names of the four vendors."""

from __future__ import annotations

import pytest

from inference.kernel import Kernel, kernel_of

GE, SIEMENS, PHILIPS, TOSHIBA = "GE MEDICAL SYSTEMS", "Siemens Healthineers", "Philips", "TOSHIBA"


@pytest.mark.parametrize(
    ("name", "manufacturer", "expected"),
    [
        ("STANDARD", GE, Kernel.SOFT),
        ("STD+", GE, Kernel.SOFT),
        ("Soft", "GE", Kernel.SOFT),
        ("BONE", GE, Kernel.BONE),
        ("BONEPLUS", GE, Kernel.BONE),
        ("HD BONE", GE, Kernel.BONE),
        ("EDGE", GE, Kernel.BONE),
        ("LUNG", GE, Kernel.LUNG),
        ("DETAIL", GE, None),  # sources differ
        ("B30f", SIEMENS, Kernel.SOFT),
        ("B40s", SIEMENS, Kernel.SOFT),
        ("B45f", SIEMENS, None),
        ("B70f", SIEMENS, Kernel.SHARP),  # lung in a chest, bone in a spine
        ("I30f\\3", SIEMENS, Kernel.SOFT),
        ("Br40d", SIEMENS, Kernel.SOFT),
        ("Br64", SIEMENS, Kernel.SHARP),
        ("Bl57d", SIEMENS, Kernel.LUNG),
        ("Hr40", SIEMENS, Kernel.SOFT),
        ("H60s", SIEMENS, Kernel.BONE),
        ("Hr64", SIEMENS, Kernel.BONE),
        ("U90u", SIEMENS, Kernel.BONE),
        ("T20f", SIEMENS, None),  # a topogram
        ("59 .10.AB50", SIEMENS, None),  # Somatom Plus 4: a body standard, not a sharp B50
        ("B", PHILIPS, Kernel.SOFT),
        ("UB", PHILIPS, Kernel.SOFT),
        ("YC", PHILIPS, Kernel.SHARP),
        ("L", PHILIPS, Kernel.LUNG),
        ("E", PHILIPS, Kernel.BONE),
        ("D", PHILIPS, None),  # sources differ
        ("FC08", TOSHIBA, Kernel.SOFT),
        ("FC26", "CANON_MEC", Kernel.SOFT),
        ("FC30", TOSHIBA, Kernel.BONE),
        ("FC51", TOSHIBA, Kernel.LUNG),
        ("FC52-H", TOSHIBA, Kernel.LUNG),
        ("FC81", TOSHIBA, Kernel.BONE),
        ("FC86", TOSHIBA, Kernel.SHARP),
        ("FL03", TOSHIBA, None),  # a scout
        ("FC51", None, Kernel.LUNG),
        ("B70f", "", Kernel.SHARP),
        ("BONE", "Unknown manufacturer", Kernel.BONE),
        ("L", "Unknown manufacturer", None),
        ("B70f", GE, None),  # not a name of this vendor's
        ("STANDARD", "IMAGE WORKS", Kernel.SOFT),
        (None, GE, None),
        ("", None, None),
    ],
)
def test_what_a_kernel_is_for(name: str | None, manufacturer: str | None, expected: Kernel | None) -> None:
    assert kernel_of(name, manufacturer) is expected
