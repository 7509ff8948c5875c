"""What a presentation state draws on the level slices (PS3.3 C.10.5): crosses, names and the statement.

Places in an image have the units PIXEL: column, then row, from 0\\0 at the outer corner of the first pixel,
whose centre is 0.5\\0.5. They need no frame of reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    TextJustificationValues,
    TextObject,
)
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from inference.results.body import body_centre_px
from inference.results.content import probability_text
from inference.results.flagged import FlaggedSlice
from inference.results.identity import tracking_uid
from inference.results.levels import point_output
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs

LAYER: Final = GraphicLayer(layer_name="LEVELS", order=1, description=f"Levels found by {PRODUCT}")

ARM_MM: Final = 10.0
"""From the middle of a cross to its ends: a vertebral body is 30 to 50 mm wide."""

NAME_BOX: Final = (0.25, 0.05)
"""Width and height of the box of a level's name, as parts of the image's."""

STATEMENT: Final = (
    f"{PRODUCT}: {NOT_FOR_DIAGNOSIS}\r\nThe cross is the middle of the body in the level's plane."
)

STATEMENT_BOX: Final = (0.02, 0.02, 0.9, 0.1)
"""Left, top, right and bottom of the statement, as parts of the displayed area."""


def annotation(inputs: Inputs, flagged: Sequence[FlaggedSlice], image: Dataset) -> GraphicAnnotation:
    """What is drawn on one slice.

    Args:
        inputs: of the object.
        flagged: the levels in this slice, at least one; two where slices are thick.
        image: the slice's image as highdicom wants it.
    """
    middle = _middle_px(inputs, flagged[0])
    return GraphicAnnotation(
        referenced_images=[image],
        referenced_frame_number=flagged[0].frame,
        graphic_layer=LAYER,
        graphic_objects=[line for each in flagged for line in _cross(inputs, each, middle)],
        text_objects=[_name(inputs, flagged, middle), _statement()],
    )


def _middle_px(inputs: Inputs, flagged: FlaggedSlice) -> tuple[float, float]:
    row, column = body_centre_px(inputs.volume, flagged.index)
    return column + 0.5, row + 0.5


def _cross(inputs: Inputs, flagged: FlaggedSlice, middle: tuple[float, float]) -> list[GraphicObject]:
    """Two lines through the level's point: some viewers draw nothing for a POINT."""
    between_rows, between_columns = inputs.volume.geometry.pixel_spacing_mm
    along, down = np.array([ARM_MM / between_columns, 0]), np.array([0, ARM_MM / between_rows])
    return [
        GraphicObject(
            graphic_type=GraphicTypeValues.POLYLINE,
            graphic_data=_inside(inputs, np.array([middle - arm, middle + arm])),
            units=AnnotationUnitsValues.PIXEL,
            tracking_id=point_output(flagged.name),
            tracking_uid=tracking_uid(inputs.volume, point_output(flagged.name)),
        )
        for arm in (along, down)
    ]


def _inside(inputs: Inputs, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points no farther than the image's edge (PS3.3 C.10.5.1.2)."""
    geometry = inputs.volume.geometry
    return np.asarray(np.clip(points, 0, (geometry.columns, geometry.rows)))


def _name(inputs: Inputs, flagged: Sequence[FlaggedSlice], middle: tuple[float, float]) -> TextObject:
    """To the right of the cross and above its arm; moved left where the image ends."""
    geometry = inputs.volume.geometry
    width, height = geometry.columns * NAME_BOX[0], geometry.rows * NAME_BOX[1]
    gap_px = ARM_MM / geometry.pixel_spacing_mm[1]
    left = min(middle[0] + gap_px, geometry.columns - width)
    top = max(middle[1] - height, 0.0)
    return TextObject(
        text_value=", ".join(f"{each.name} ({probability_text(each.level.confidence)})" for each in flagged),
        units=AnnotationUnitsValues.PIXEL,
        bounding_box=(left, top, left + width, top + height),
        text_justification=TextJustificationValues.LEFT,
    )


def _statement() -> TextObject:
    return TextObject(
        text_value=STATEMENT,
        units=AnnotationUnitsValues.DISPLAY,
        bounding_box=STATEMENT_BOX,
        text_justification=TextJustificationValues.LEFT,
    )
