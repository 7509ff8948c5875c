"""Standard codes of what is said of a spleen (PS3.16)."""

from __future__ import annotations

from typing import Final

from pydicom.sr.coding import Code

SPLEEN: Final = Code("78961009", "SCT", "Spleen")
VOLUME: Final = Code("118565006", "SCT", "Volume")  # CID 7472
CUBIC_MM: Final = Code("mm3", "UCUM", "cubic millimeter")
ATTENUATION: Final = Code("112031", "DCM", "Attenuation Coefficient")
HOUNSFIELD_UNIT: Final = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
MEAN: Final = Code("373098007", "SCT", "Mean")  # CID 7464
