"""The fields of the JSON that `ctnode analyze` writes, and what each means: for the documents.

A field inside an object is written "object.field", one inside each object of a list "list[].field".
"""

from __future__ import annotations

from typing import Final

FIELDS: Final[dict[str, str]] = {
    "series_instance_uid": "(0020,000E)",
    "volume": "number of the volume in its series, from 1; null where the series could not be parted",
    "eligible": "whether it was analysed",
    "reason": 'why not; "" where it was',
    "gate.verdict": "accept, repair (analysed after it) or hold (not analysed)",
    "gate.series_verdict": "the same of the whole series, or split: it has more than one part",
    "gate.checks[].check": "what was looked at, where there is something to say",
    "gate.checks[].outcome": "held, repaired or noted",
    "gate.checks[].detail": "slices, attributes and numbers",
    "slices": "how many",
    "axis.value": "axial, coronal, sagittal, oblique or undetermined",
    "axis.confidence": "0..1",
    "axis.from_header": "what Image Orientation (Patient) says",
    "axis.from_pixels": "what the pixels show",
    "body_part.value": 'regions from head to feet joined by "-", or undetermined',
    "body_part.confidence": "0..1, that likely errors of both ends leave the value as it is",
    "body_part.regions[].region": "legs, pelvis, abdomen, chest, neck or head; they overlap",
    "body_part.regions[].start_mm": "z of its lowest slice, mm",
    "body_part.regions[].end_mm": "z of its highest slice, mm",
    "body_part.regions[].first_slice": "counted from 0 by position along the normal",
    "body_part.regions[].last_slice": "the same; included",
    "body_part.class": "the likeliest of 16 series classes, or undetermined",
    "body_part.classes[].name": "of the classes of at least 1 %, likeliest first",
    "body_part.classes[].probability": "0..1; what they lack of 1 is that of none of the 16",
    "contrast.value": "yes, no or undetermined: intravenous contrast medium",
    "contrast.confidence": "0..1",
    "contrast.probability": "0..1, that contrast medium is seen; null where no model could look",
    "contrast.reason": "why it is undetermined",
    "slice_scores[].sop_instance_uid": "of the slice",
    "slice_scores[].z_mm": "of its centre, mm",
    "slice_scores[].raw": "the network's score",
    "slice_scores[].score": "with the vertebrae's places, smoothed along z; 0 is the start of the pelvis,"
    " 100 the end of the eyes",
    "slice_scores[].sd": "its standard deviation; null where the network gives none",
    "levels.T12.found": "true or false; levels.L3 has the same fields",
    "levels.T12.state": "found, not in field or cannot tell",
    "levels.T12.z_mm": "of the vertebral body's centre, mm; null where it is not found",
    "levels.T12.slice_index": "the nearest slice, counted from 0",
    "levels.T12.sop_instance_uid": "of that slice",
    "levels.T12.confidence": "0..1, that the interval holds the level, or that it is not in the field",
    "levels.T12.interval_mm": "the interval, two z",
    "levels.T12.reason": "why it is not found, or what makes it doubtful",
    "levels.T12.warnings": "likely variants of enumeration: ribs, lumbar vertebrae",
    "header_disagreements[].attribute": "keyword of an attribute that the pixels contradict",
    "header_disagreements[].header": "what the header says",
    "header_disagreements[].pixels": "what the pixels say",
    "header_agreements": "keywords of the attributes that the pixels bear out; the others were not compared",
    "model.name": "which weights spoke; null where none did",
    "model.version": "of all weights together",
    "model.sha256": "of the SHA-256 of all weights files, one after the other",
    "seconds.read": "wall time, s",
    "seconds.infer": "the same",
    "seconds.total": "their sum",
    "warnings": "what it is not for, then what makes the volume or its scores doubtful",
}
"""Every field, in the order in which it is written."""
