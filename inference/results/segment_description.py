"""How a segment of ours is described (PS3.3 C.8.20.4): what it is, and which network drew it."""

from __future__ import annotations

import highdicom as hd
from pydicom.sr.coding import Code

from inference.results import codes
from inference.results.identity import tracking_uid
from inference.results.records import PRODUCT, Inputs


def segment_description(
    inputs: Inputs,
    number: int,
    *,
    output: str,
    label: str,
    category: Code,
    type: Code,
    anatomy: Code | None = None,
) -> hd.seg.SegmentDescription:
    """The item of the Segment Sequence (0062,0002).

    Args:
        inputs: whose findings name the network as their model.
        number: Segment Number.
        output: tracking identifier, the same as of the report's group.
        label: what a viewer shows.
        category: CID 7150.
        type: CID 7151.
        anatomy: where it is, if that is not its type; of a level slice, the vertebra.
    """
    model = inputs.findings.model
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=category,
        segmented_property_type=type,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=model.name,
            family=codes.ARTIFICIAL_INTELLIGENCE,
            version=model.version,
            source=PRODUCT,
            parameters={"weights SHA-256": model.sha256},
        ),
        tracking_uid=tracking_uid(inputs.volume, output),
        tracking_id=output,
        anatomic_regions=None if anatomy is None else [anatomy],
    )
