"""The standard codes of the result objects (PS3.16): no private code is written.

Meanings are those of the standard's context groups; the tests look every code up in pydicom's dictionary.
"""

from __future__ import annotations

from typing import Final

from pydicom.sr.coding import Code

from inference.findings import Axis, Contrast, Region

# Concept names
TARGET_REGION: Final = Code("123014", "DCM", "Target Region")
SCAN_PLANE: Final = Code("130546", "DCM", "Cross-sectional scan plane orientation")
PROCEDURE_CONTEXT: Final = Code("408730004", "SCT", "Procedure Context")  # TID 10013 row 5
SCORE: Final = Code("246262008", "SCT", "Score")
PROBABILITY: Final = Code("122157", "DCM", "Probability")
STANDARD_DEVIATION: Final = Code("386136009", "SCT", "Standard Deviation")  # CID 7464
MEDIAN: Final = Code("373099004", "SCT", "Median")  # CID 7464
QUALITY_ASSESSMENT: Final = Code("111050", "DCM", "Quality Assessment")
COMMENT: Final = Code("121106", "DCM", "Comment")
TOPOGRAPHICAL_MODIFIER: Final = Code("106233006", "SCT", "Topographical modifier")  # CID 210

# Values
UNDETERMINED: Final = Code("373068000", "SCT", "Undetermined")  # CID 230
MEETS_STANDARD: Final = Code("111237", "DCM", "Usable - Meets the quality control standard")  # CID 6044
BELOW_STANDARD: Final = Code("111236", "DCM", "Usable - Does not meet the quality control standard")
PLANE_THROUGH_CENTER: Final = Code("128130", "DCM", "Plane through Center")  # CID 1010
CENTRAL: Final = Code("26216008", "SCT", "Central")  # CID 211
CENTER: Final = Code("111010", "DCM", "Center")  # CID 219
NO_UNITS: Final = Code("1", "UCUM", "no units")
CT_PROCEDURE: Final = Code("25045-6", "LN", "CT unspecified body region")  # CID 100
ARTIFICIAL_INTELLIGENCE: Final = Code("123110", "DCM", "Artificial Intelligence")  # CID 7162
PROCESSING_EQUIPMENT: Final = Code("109102", "DCM", "Processing Equipment")  # CID 7005

# Key objects
OF_INTEREST: Final = Code("113000", "DCM", "Of Interest")  # CID 7010
SOURCE: Final = Code("260753009", "SCT", "Source")  # PS3.3 C.17.3: for references that need no other name

# Segments
ANATOMICAL_STRUCTURE: Final = Code("91723000", "SCT", "Anatomical Structure")  # CID 7150
SPATIAL_CONCEPT: Final = Code("309825002", "SCT", "Spatial and Relational Concept")  # CID 7150
REFERENCE_REGION: Final = Code("C94970", "NCIt", "Reference Region")  # CID 7196

VERTEBRAE: Final = {  # CID 7603
    "T12": Code("23215003", "SCT", "T12 vertebra"),
    "L3": Code("36470004", "SCT", "L3 vertebra"),
}

AXES: Final = {  # CID 6312
    Axis.AXIAL: Code("24422004", "SCT", "Axial"),
    Axis.CORONAL: Code("81654009", "SCT", "Coronal"),
    Axis.SAGITTAL: Code("30730003", "SCT", "Sagittal"),
    Axis.OBLIQUE: Code("21114003", "SCT", "Oblique"),
    Axis.UNDETERMINED: UNDETERMINED,
}

CONTRASTS: Final = {  # CID 10014
    Contrast.YES: Code("27483000", "SCT", "Diagnostic radiography with contrast media"),
    Contrast.NO: Code("399331006", "SCT", "CT without contrast"),
    Contrast.UNDETERMINED: UNDETERMINED,
}

REGIONS: Final = {  # CID 4031
    Region.LEGS: Code("61685007", "SCT", "Lower limb"),
    Region.PELVIS: Code("816092008", "SCT", "Pelvis"),
    Region.ABDOMEN: Code("818981001", "SCT", "Abdomen"),
    Region.CHEST: Code("816094009", "SCT", "Chest"),
    Region.NECK: Code("45048000", "SCT", "Neck"),
    Region.HEAD: Code("69536005", "SCT", "Head"),
}

_HEAD_AND_NECK: Final = Code("774007", "SCT", "Head and Neck")
_FACE: Final = Code("89545001", "SCT", "Face")
_CHEST_ABDOMEN: Final = Code("416550000", "SCT", "Chest and Abdomen")
_TRUNK: Final = Code("416775004", "SCT", "Chest, Abdomen and Pelvis")

BODY_PARTS: Final = {  # CID 4 and CID 4031; two codes where no single one exists
    "UNDETERMINED": (UNDETERMINED,),
    **{region.name: (code,) for region, code in REGIONS.items()},
    "HEAD-FACE": (REGIONS[Region.HEAD], _FACE),
    "FACE": (_FACE,),
    "FACE-ORBITS-SINUS": (_FACE,),
    "TEMPORAL-BONE": (Code("60911003", "SCT", "Temporal Bone"),),
    "C-SPINE": (Code("122494005", "SCT", "Cervical spine"),),
    "C-T-SPINE": (Code("1217257000", "SCT", "Cervico-thoracic spine"),),
    "T-SPINE": (Code("122495006", "SCT", "Thoracic spine"),),
    "T-L-SPINE": (Code("1217256009", "SCT", "Thoraco-lumbar spine"),),
    "L-SPINE": (Code("122496007", "SCT", "Lumbar spine"),),
    "HEAD-NECK": (_HEAD_AND_NECK,),
    "HEAD-NECK-CHEST": (_HEAD_AND_NECK, REGIONS[Region.CHEST]),
    "HEAD-NECK-CHEST-ABDOMEN": (_HEAD_AND_NECK, _CHEST_ABDOMEN),
    "HEAD-NECK-CHEST-ABDOMEN-PELVIS": (_HEAD_AND_NECK, _TRUNK),
    "HEAD-NECK-CHEST-ABDOMEN-PELVIS-LEGS": (Code("38266002", "SCT", "Entire body"),),
    "NECK-CHEST": (Code("417437006", "SCT", "Neck and Chest"),),
    "NECK-CHEST-ABDOMEN": (Code("416152001", "SCT", "Neck, Chest and Abdomen"),),
    "NECK-CHEST-ABDOMEN-PELVIS": (Code("416319003", "SCT", "Neck, Chest, Abdomen and Pelvis"),),
    "CHEST-ABDOMEN": (_CHEST_ABDOMEN,),
    "CHEST-ABDOMEN-PELVIS": (_TRUNK,),
    "CHEST-ABDOMEN-PELVIS-LEGS": (_TRUNK, REGIONS[Region.LEGS]),
    "ABDOMEN-PELVIS": (Code("818982008", "SCT", "Abdomen and Pelvis"),),
    "PELVIS-LEGS": (Code("1231522001", "SCT", "Pelvis and lower extremities"),),
}


def body_part_codes(value: str) -> tuple[Code, ...] | None:
    """The codes of a body part class, one where the standard has one, else one for each region named.

    Case, spaces, slashes and the word "and" do not matter: "Chest-abdomen-pelvis", "Head and neck".
    None: the class is not known here, and no code is guessed.
    """
    words = value.upper().replace("/", " ").replace("-", " ").split()
    name = "-".join(word for word in words if word != "AND")
    regions = [Region[word] for word in name.split("-") if word in Region.__members__]
    if name in BODY_PARTS:
        return BODY_PARTS[name]
    return tuple(REGIONS[r] for r in regions) if regions and len(regions) == len(name.split("-")) else None
