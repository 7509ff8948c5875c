"""What ctnode is to say of every edge: the verdict, the volumes, and words that its reasons must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from storage.geometry.gate import Verdict
from tests.edges.judging import Worth

Figures = tuple[int, float, float]  # slices, spacing in mm, tilt in degrees

ONE: Figures = (12, 5.0, 0.0)
"""The stack that most edges damage."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The answer to one edge."""

    verdict: Verdict
    volumes: tuple[Figures, ...]
    says: str  # a part of the reasons; '' where there is to be none


def expected(verdict: Verdict, *volumes: Figures, says: str = "") -> Expected:
    return Expected(verdict=verdict, volumes=volumes, says=says)


accept: Callable[..., Expected] = partial(expected, Verdict.ACCEPT)
split: Callable[..., Expected] = partial(expected, Verdict.SPLIT)
repair: Callable[..., Expected] = partial(expected, Verdict.REPAIR)
hold: Callable[..., Expected] = partial(expected, Verdict.HOLD)

TILTED = "slices advance 15.0 degrees off their normal: slices placed by their own positions"
REPEATED = "apart from other slices at the same positions by "

VERDICTS: dict[str, Expected] = {
    "sound_axial": accept(ONE),
    "files_and_numbers_shuffled": accept(ONE, says="positions order the slices"),
    "numbered_from_the_head": accept(ONE, says="InstanceNumber falls along the normal, from 12 to 1"),
    "numbers_absent": accept(ONE, says="InstanceNumber absent in 12 of 12 instances"),
    "numbers_all_one": accept(ONE, says="InstanceNumber shared by 12 instances"),
    "coronal_reformat": accept((12, 2.5, 0.0)),
    "sagittal_reformat": accept((12, 2.5, 0.0)),
    "double_oblique": accept(ONE),
    "prone_feet_first": accept(ONE),
    "positions_rounded_to_a_tenth": accept((48, 0.63, 0.0)),
    "gantry_tilt": repair((12, 5.0, 15.0), says=TILTED),
    "gantry_tilt_negative": repair((12, 5.0, 20.0), says="slices advance 20.0 degrees off their normal"),
    "gantry_tilt_not_told": repair((12, 5.0, 15.0), says=TILTED),
    "gantry_tilt_told_but_corrected": accept(ONE),
    "head_at_two_spacings": split((8, 4.0, 0.0), (8, 7.0, 0.0), says="by spacing 7.00 mm"),
    "spacing_that_grows": hold(
        says="uneven spacing of 4.60 mm between instance 2 and instance 3 where spacing is 4.20 mm"
    ),
    "spacing_that_creeps": repair((24, 4.23, 0.0), says="slices placed by their own positions"),
    "one_slice_missing": hold(
        says="gap of 10.00 mm between instance 5 and instance 7 where spacing is 5.00 mm: 1 slice missing"
    ),
    "three_slices_missing": hold(says="gap of 20.00 mm between instance 4 and instance 8"),
    "half_the_slices_missing": accept(ONE, says="InstanceNumber counts by 2, from 1 to 23"),
    "top_missing_but_counted": accept((9, 5.0, 0.0)),
    "slice_sent_twice_new_uid": hold(
        says="duplicate position -15.00 mm: 2 slices there (instance 4, instance 13)"
    ),
    "position_twice_with_other_pixels": hold(says="duplicate position -15.00 mm: 2 slices there"),
    "all_at_one_position": hold(says="duplicate position -30.00 mm: 12 slices there"),
    "slice_off_the_line": hold(says="instance 7 lies 12.00 mm sideways of the line through the other slices"),
    "slice_shifted_along": repair(ONE, says="uneven spacing of 6.50 mm between instance 6 and instance 7"),
    "two_slices": hold(says="too few slices: 2, at least 3 make a volume"),
    "one_slice": hold(says="too few slices: 1, at least 3 make a volume"),
    "two_phases_by_temporal_position": split(ONE, ONE, says=REPEATED + "TemporalPositionIdentifier"),
    "two_phases_by_acquisition": split(ONE, ONE, says=REPEATED + "AcquisitionNumber"),
    "two_phases_interleaved": split(ONE, ONE, says=REPEATED + "TemporalPositionIdentifier"),
    "two_phases_told_by_nothing": split(ONE, ONE, says=REPEATED + "InstanceNumber"),
    "second_phase_broken_off": split(ONE, (8, 5.0, 0.0), says=REPEATED + "AcquisitionNumber"),
    "two_kernels": split(ONE, ONE, says="by ConvolutionKernel BONE"),
    "two_energies": split(ONE, ONE, says=REPEATED + "KVP"),
    "thin_and_thick": split((24, 2.5, 0.0), ONE, says=REPEATED + "SliceThickness"),
    "two_fields_of_view": split(ONE, ONE, says="by PixelSpacing 1.5\\1.5"),
    "two_matrices": split((6, 5.0, 0.0), (6, 5.0, 0.0), says="by matrix 32\\32, PixelSpacing 6\\6"),
    "axial_and_coronal": split(ONE, ONE, says="by ImageOrientationPatient 1\\0\\0\\0\\0\\-1"),
    "fan_of_planes": hold(says="too few slices: 1"),
    "two_frames_of_reference": split((6, 5.0, 0.0), (6, 5.0, 0.0), says="by FrameOfReferenceUID"),
    "localizer_in_series": split(ONE, says="localizer: ImageType ORIGINAL\\PRIMARY\\LOCALIZER"),
    "localizer_not_told": split(ONE, says="too few slices: 1, at least 3 make a volume (instance 13)"),
    "localizer_alone": hold(says="localizer: ImageType"),
    "dose_page_in_series": split(ONE, says="not a CT image: Secondary Capture Image Storage"),
    "projection_in_series": split(ONE, says="ImageType DERIVED\\SECONDARY\\MIP"),
    "mr_image_in_series": hold(says="not a CT image: MR Image Storage"),
    "two_patients_in_series": hold(
        says="PatientID differs within the series: 6 files of value 1, 6 files of value 2"
    ),
    "acquisition_per_rotation": accept(ONE),
    "exposure_modulated": accept(ONE),
    "study_time_varies": accept(ONE),
    "trigger_time_varies": accept(ONE),
    "position_absent_in_one": hold(
        says="ImagePositionPatient (0020,0032) is absent in 1 of 12 slices (instance 6)"
    ),
    "position_absent_in_all": hold(says="ImagePositionPatient (0020,0032) is absent in 12 of 12 slices"),
    "orientation_absent": hold(says="ImageOrientationPatient (0020,0037) is absent in 12 of 12 slices"),
    "orientation_of_zeros": hold(says="ImageOrientationPatient is not orthonormal: 0\\0\\0\\0\\0\\0"),
    "orientation_not_orthogonal": hold(says="ImageOrientationPatient is not orthonormal: 1\\0\\0\\0.173648"),
    "pixel_spacing_absent": hold(says="PixelSpacing (0028,0030) is absent in 12 of 12 slices"),
    "pixel_spacing_with_commas": hold(says="PixelSpacing (0028,0030) is absent in 12 of 12 slices"),
    "pixel_spacing_of_one_differs": hold(
        says="PixelSpacing differs: 3\\3 in 11 slices, 2.4\\2.4 in 1 (instance 6)"
    ),
    "pixels_not_square": accept(ONE),
    "spacing_between_slices_wrong": accept(ONE),
    "thickness_unlike_spacing": accept(ONE),
    "slice_location_reversed": accept(ONE),
    "slope_absent": hold(says="RescaleSlope (0028,1053) is absent in 12 of 12 slices"),
    "electron_density": hold(says="not in Hounsfield units: RescaleType ED"),
    "private_values_only": accept(ONE),
    "copies_of_one_file": accept(ONE),
    "one_uid_for_two_images": hold(says="is in two files that hold two images"),
    "slope_of_zero": hold(says="RescaleSlope is zero: 0 in 12 slices"),
    "no_file_meta_information": hold(says="no DICOM images found: 12 foreign files"),
    "file_cut_in_its_header": hold(says="is absent in 1 of 1 slices (instance 6)"),
    "foreign_files": accept(ONE),
    "intercept_differs_by_slice": accept(ONE, says="RescaleIntercept is -1024 to -512 in 12 slices"),
    "slope_differs_by_slice": accept(ONE, says="RescaleSlope is 1 to 1.6875 in 12 slices"),
    "slope_of_a_half": accept(ONE),
    "signed_values": accept(ONE),
    "signed_in_twelve_bits": accept(ONE),
    "unsigned_sixteen_bits": accept(ONE),
    "padding_outside_the_circle": accept(ONE),
    "overlay_in_unused_bits": accept(ONE),
    "overlay_in_its_group": accept(ONE),
    "monochrome1": accept(ONE),
    "implicit_little_endian": accept(ONE),
    "explicit_big_endian": accept(ONE),
    "deflated": accept(ONE),
    "rle": accept(ONE),
    "jpeg_ls": accept(ONE),
    "jpeg_2000": accept(ONE),
    "pixels_cut_short": hold(says="pixel data cannot be decoded"),
    "colour_pixels": hold(says="not a grey image: SamplesPerPixel 3"),
    "enhanced": accept(ONE),
    "enhanced_frames_shuffled": accept(ONE),
    "enhanced_two_phases": split(ONE, ONE, says=REPEATED + "TemporalPositionIdentifier"),
    "enhanced_slope_by_frame": accept(ONE, says="RescaleIntercept is -1244 to -1024 in 12 slices"),
    "enhanced_frame_missing": hold(
        says="gap of 10.00 mm between instance 1 frame 5 and instance 1 frame 6 where spacing is 5.00 mm"
    ),
    "enhanced_tilted": repair((12, 5.0, 15.0), says=TILTED),
    "enhanced_without_places": hold(says="ImagePositionPatient (0020,0032) is absent in 12 of 12 slices"),
    "enhanced_in_two_instances": accept(ONE),
    "legacy_converted": accept(ONE),
    "multiframe_secondary_capture": hold(says="not a CT image: Multi-frame Grayscale Word Secondary Capture"),
    "stored_values_as_hounsfield": repair((34, 20.0, 0.0), says="HU are 1024 too high"),
    "intercept_applied_twice": hold(says="HU are 1024 too low"),
    "orientation_a_quarter_turn_off": accept((34, 20.0, 0.0), says="is a quarter turn off"),
    "back_and_front_exchanged": accept((34, 20.0, 0.0), says="front and back are exchanged"),
    "left_and_right_exchanged": accept((34, 20.0, 0.0)),
}

UNSEEN: dict[str, Worth] = {
    "orientation_a_quarter_turn_off": Worth.WARNED,
    "back_and_front_exchanged": Worth.WARNED,
    "left_and_right_exchanged": Worth.SILENT,
}
"""Edges whose volume is wrong and is let through all the same: told in a note, or not seen at all."""
