"""One numbering of organs and bones for every label map, and the groups that are painted alike."""

from __future__ import annotations

from typing import Final

VERTEBRAE: Final = (
    *(f"C{n}" for n in range(1, 8)),
    *(f"T{n}" for n in range(1, 13)),
    *(f"L{n}" for n in range(1, 6)),
    "S1",
)
"""From head to tail."""

RIBS: Final = tuple(f"rib_{side}_{n}" for side in ("left", "right") for n in range(1, 13))

LUNGS: Final = (
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
)
ARTERIES: Final = (
    "aorta",
    "brachiocephalic_trunk",
    "subclavian_artery_left",
    "subclavian_artery_right",
    "common_carotid_artery_left",
    "common_carotid_artery_right",
    "iliac_artery_left",
    "iliac_artery_right",
)
PULMONARY: Final = ("pulmonary_vein", "atrial_appendage_left", "pulmonary_artery")
THORACIC_VEINS: Final = ("superior_vena_cava", "brachiocephalic_vein_left", "brachiocephalic_vein_right")
CAVAL: Final = ("inferior_vena_cava", "iliac_vena_left", "iliac_vena_right")
MUSCLES: Final = tuple(
    f"{muscle}_{side}"
    for muscle in ("gluteus_maximus", "gluteus_medius", "gluteus_minimus", "autochthon", "iliopsoas")
    for side in ("left", "right")
)
LONG_BONES: Final = ("humerus_left", "humerus_right", "femur_left", "femur_right")
FLAT_BONES: Final = (
    *(f"{bone}_{side}" for bone in ("scapula", "clavicula", "hip") for side in ("left", "right")),
    "sacrum",
    "sternum",
    "skeleton",  # a bone that has no name of its own
)
BOWEL: Final = ("stomach", "small_bowel", "duodenum", "colon")
OTHERS: Final = (
    *("spleen", "kidney_left", "kidney_right", "gallbladder", "liver", "pancreas", "heart", "brain"),
    *("adrenal_gland_left", "adrenal_gland_right", "esophagus", "trachea", "thyroid_gland", "prostate"),
    *("urinary_bladder", "portal_vein_and_splenic_vein", "spinal_cord", "costal_cartilages", "skull"),
    *("kidney_cyst_left", "kidney_cyst_right", "air", "body"),
)
NAMES: Final = (
    "",
    *(f"vertebrae_{level}" for level in VERTEBRAE),
    *RIBS,
    *LUNGS,
    *ARTERIES,
    *PULMONARY,
    *THORACIC_VEINS,
    *CAVAL,
    *MUSCLES,
    *LONG_BONES,
    *FLAT_BONES,
    *BOWEL,
    *OTHERS,
)
"""The name of each label; 0 is whatever has none."""

NUMBER: Final = {name: number for number, name in enumerate(NAMES)}

SYNONYMS: Final = {
    **{
        f"heart_{part}": "heart"
        for part in ("myocardium", "atrium_left", "ventricle_left", "atrium_right", "ventricle_right")
    },
    "bronchi": "trachea",
    "lungs": "lung_lower_lobe_left",
}
"""Names of other label sets."""

BONES: Final = tuple(
    NUMBER[name]
    for name in (*(f"vertebrae_{level}" for level in VERTEBRAE), *RIBS, *LONG_BONES, *FLAT_BONES, "skull")
)


def number_of(name: str) -> int:
    """The number of a structure by any label set's name; 0 where it is not painted on its own."""
    return NUMBER.get(SYNONYMS.get(name, name), 0)


def numbers(names: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers of several names."""
    return tuple(NUMBER[name] for name in names)
