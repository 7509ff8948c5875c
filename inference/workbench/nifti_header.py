"""The header of a NIfTI-1 or NIfTI-2 file: shape, type, scale, and where the voxels lie. Pure.

Field offsets and meanings are those of nifti1.h and nifti2.h (nifti.nimh.nih.gov). NIfTI axes are RAS: x
right to left reversed, y back to front reversed of DICOM's LPS; z is the same.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storage.errors import Refused, Unreadable

TO_LPS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
"""RAS to LPS, and back."""

FIRST_BYTES: Final = 348
"""Of the header of NIfTI-1."""

HEADER_BYTES: Final = 540
"""Of NIfTI-2, the longer of the two headers."""

MOST_OFFSET_BYTES: Final = 1 << 30
"""Extensions before the voxels hold text, not volumes."""

EXTENDER_BYTES: Final = 4
"""Behind the header: whether extensions follow."""

TYPES: Final = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
"""datatype -> numpy; complex, colour and 128-bit types are no Hounsfield units."""

MM: Final = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""xyzt_units, its three low bits -> mm; 0 is unknown."""

SAME_MM: Final = 0.5
"""sform and qform that put no corner of the volume farther apart are one place."""


QUATERNION_ROUNDED: Final = 1e-3
"""Beyond length 1: what float32 and careless writers make of a rotation by 180 degrees."""
HALF_TURN: Final = 1e-7
"""Of the square of quatern_a: what float32 leaves of it in a rotation by 180 degrees. It counts as 0, as in
nifti_quatern_to_mat44."""


@dataclass(frozen=True, kw_only=True)
class NiftiHeader:
    """What the header says."""

    shape: tuple[int, ...]  # (i, j, k), further ones if they are longer than 1
    dtype: np.dtype[np.generic]  # of a stored value, byte order in it
    offset_bytes: int  # of the first voxel
    slope: float  # HU = slope * stored + intercept; 1 where the file says 0, which is none
    intercept: float
    affine_lps: NDArray[np.float64]  # (4, 4), index (i, j, k, 1) to mm
    told_by: str  # "sform" or "qform"
    notes: tuple[str, ...]  # what a reader should know of the orientation


def parse(content: bytes) -> NiftiHeader:
    """The header, from the first HEADER_BYTES of a file that is not packed.

    Raises:
        Unreadable: it is no single-file NIfTI.
        Refused: a type that holds no HU, more than three dimensions, or no orientation that can be believed.
    """
    order, two = _version(content)
    raw = _Fields(content, order, two)
    shape = raw.shape()
    affine, told_by, notes = _affine(raw, shape)
    slope, intercept = raw.scale()
    return NiftiHeader(
        shape=shape,
        dtype=np.dtype(order + TYPES[raw.datatype()]),
        offset_bytes=raw.offset(),
        slope=slope,
        intercept=intercept,
        affine_lps=TO_LPS @ affine,
        told_by=told_by,
        notes=notes,
    )


def _version(content: bytes) -> tuple[str, bool]:
    for order in "<>":
        size = struct.unpack_from(order + "i", content)[0] if len(content) >= 4 else 0
        if size == FIRST_BYTES and content[344:347] == b"n+1":
            return order, False
        if size == HEADER_BYTES and content[4:7] == b"n+2" and len(content) >= HEADER_BYTES:
            return order, True
    if content[344:347] == b"ni1":
        raise Unreadable("a NIfTI pair (.hdr and .img) is not read: save it as one .nii file")
    raise Unreadable("not a NIfTI file")


@dataclass(frozen=True)
class _Fields:
    """Values by their offsets in either version."""

    content: bytes
    order: str
    two: bool

    def _get(self, form: str, one: int, two: int) -> tuple[float, ...]:
        first, second = form.split("|")
        form, offset = (second, two) if self.two else (first, one)
        return struct.unpack_from(self.order + form, self.content, offset)

    def shape(self) -> tuple[int, ...]:
        dim = [int(n) for n in self._get("8h|8q", 40, 16)]
        shape = tuple(dim[1 : dim[0] + 1]) if 1 <= dim[0] <= 7 else ()
        if len(shape) < 3 or min(shape) < 1:
            raise Refused(f"NIfTI dim {dim}: not a volume")
        if max(shape[3:], default=1) > 1:
            raise Refused(f"NIfTI dim {dim}: {len(shape)} dimensions; one volume a file is read")
        return shape[:3]

    def datatype(self) -> int:
        code = int(self._get("h|h", 70, 12)[0])
        if code not in TYPES:
            raise Refused(f"NIfTI datatype {code} holds no Hounsfield units")
        return code

    def offset(self) -> int:
        """Of the first voxel; 0, which some write, is the least that a single file can have."""
        said, least = (
            self._get("f|q", 108, 168)[0],
            (HEADER_BYTES if self.two else FIRST_BYTES) + EXTENDER_BYTES,
        )
        if not np.isfinite(said) or (said and not least <= said <= MOST_OFFSET_BYTES):
            raise Unreadable(
                f"NIfTI vox_offset {said:g}: at least {least} in a single file, and no gigabytes"
            )
        return int(said) or least

    def scale(self) -> tuple[float, float]:
        slope, intercept = self._get("2f|2d", 112, 176)
        if slope == 0 or not np.isfinite([slope, intercept]).all():
            return 1.0, 0.0
        return float(slope), float(intercept)

    def millimetres(self) -> tuple[float, bool]:
        """Of one unit, and whether the file says so."""
        unit = (int(self._get("b|i", 123, 500)[0]) if self.two else self.content[123]) & 7
        if unit not in MM:
            raise Refused(f"NIfTI xyzt_units {unit} is no unit of length")
        return MM[unit], unit != 0

    def pixdim(self) -> tuple[float, ...]:
        return self._get("8f|8d", 76, 104)

    def codes(self) -> tuple[int, int]:
        """qform_code, sform_code."""
        qform, sform = self._get("2h|2i", 252, 344)
        return int(qform), int(sform)

    def sform(self) -> NDArray[np.float64]:
        rows = np.asarray(self._get("12f|12d", 280, 400), float).reshape(3, 4)
        return np.vstack([rows, [0, 0, 0, 1]])

    def qform(self) -> NDArray[np.float64]:
        b, c, d, x, y, z = self._get("6f|6d", 256, 352)
        pixdim = self.pixdim()
        length = (b * b + c * c + d * d) ** 0.5
        if length > 1 + QUATERNION_ROUNDED:
            raise Refused(f"NIfTI quatern_b, _c, _d have length {length:.4g}: no rotation")
        square = 1.0 - length * length
        if square < HALF_TURN:
            b, c, d = b / length, c / length, d / length
        a = square**0.5 if square >= HALF_TURN else 0.0
        rotation = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
            ]
        )
        flip = -1.0 if pixdim[0] < 0 else 1.0
        affine = np.eye(4)
        affine[:3, :3] = rotation * (np.asarray(pixdim[1:4]) * [1, 1, flip])
        affine[:3, 3] = x, y, z
        return affine


def _affine(raw: _Fields, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], str, tuple[str, ...]]:
    """Index to RAS mm: sform where there is one, else qform; refused where neither is, or they contradict."""
    qcode, scode = raw.codes()
    unit_mm, is_told = raw.millimetres()
    notes = [] if is_told else ["NIfTI xyzt_units names no unit: taken for mm"]
    if not qcode and not scode:
        raise Refused("NIfTI qform_code and sform_code are 0: which way the patient lies cannot be told")
    affine = raw.sform() if scode else raw.qform()
    if scode and qcode:
        apart = _corners_apart(raw.sform(), raw.qform(), shape) * unit_mm
        if np.linalg.det(raw.sform()[:3, :3]) * np.linalg.det(raw.qform()[:3, :3]) < 0:
            raise Refused("NIfTI sform and qform mirror each other: left and right cannot be told")
        if apart > SAME_MM:
            notes.append(f"NIfTI sform and qform are up to {apart:.1f} mm apart: sform is used")
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise Refused("the NIfTI affine is singular: it places no volume")
    scaled = affine.copy()
    scaled[:3] *= unit_mm
    return scaled, "sform" if scode else "qform", tuple(notes)


def _corners_apart(one: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in shape], [1], indexing="ij")).reshape(4, -1)
    return float(np.linalg.norm(((one - other) @ ends)[:3], axis=0).max())
