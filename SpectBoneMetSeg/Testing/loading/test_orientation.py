"""Stated directions are used: left and right stay correct, and the head is at the top."""

import re
import struct

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import Dataset
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_scan

MM = 4.52


def write_itk(path, pixels, columns, rows):
    """One slice whose columns and rows run along LPS directions."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(pixels)[None])
    image.SetSpacing((MM, MM, 1.0))
    image.SetDirection(np.column_stack([columns, rows, np.cross(columns, rows)]).ravel().tolist())
    sitk.WriteImage(image, str(path))
    return path


def write_nifti(path, array, affine, *, version=1, slope=(1.0, 0.0), mm=MM, units=2):
    """A NIfTI file from (i, j, ...) int16 values and the three rows of a RAS affine, written by hand."""
    dim = [array.ndim, *array.shape, *[1] * (7 - array.ndim)]
    zooms = [1.0] + [mm] * 7
    header = bytearray(352 if version == 1 else 544)
    if version == 1:
        struct.pack_into("<i", header, 0, 348)
        struct.pack_into("<8h", header, 40, *dim)
        struct.pack_into("<2h", header, 70, 4, 16)
        struct.pack_into("<8f", header, 76, *zooms)
        struct.pack_into("<3f", header, 108, 352, *slope)
        struct.pack_into("<b", header, 123, units)
        struct.pack_into("<2h", header, 252, 0, 1)
        struct.pack_into("<12f", header, 280, *np.ravel(affine))
        header[344:348] = b"n+1\0"
    else:
        struct.pack_into("<i", header, 0, 540)
        header[4:12] = b"n+2\0\r\n\x1a\n"
        struct.pack_into("<2h", header, 12, 4, 16)
        struct.pack_into("<8q", header, 16, *dim)
        struct.pack_into("<8d", header, 104, *zooms)
        struct.pack_into("<q2d", header, 168, 544, *slope)
        struct.pack_into("<2i", header, 344, 0, 1)
        struct.pack_into("<12d", header, 400, *np.ravel(affine))
        struct.pack_into("<i", header, 500, units)
    path.write_bytes(bytes(header) + array.astype("<i2").tobytes(order="F"))
    return path


def affine(columns, rows, mm=MM):
    """RAS affine of a picture with one slice; its third axis is the cross product."""
    return np.column_stack([mm * np.array(columns), mm * np.array(rows), np.cross(columns, rows), np.zeros(3)])


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii.gz"])
@pytest.mark.parametrize(("mirrored", "feet_up"), [(False, False), (True, False), (False, True), (True, True)])
def test_a_coronal_picture_is_turned_as_its_directions_say(tmp_path, person, suffix, mirrored, feet_up):
    stored = person[0][:: -1 if feet_up else 1, :: -1 if mirrored else 1]
    path = write_itk(tmp_path / f"p_ANT{suffix}", stored, (-1 if mirrored else 1, 0, 0), (0, 0, 1 if feet_up else -1))
    scan = read_scan(path)
    assert np.array_equal(scan.anterior.counts, person[0])
    turned = [note for note in scan.warnings if "flipped" in note]
    assert len(turned) == mirrored + feet_up
    assert all("p_ANT" in note for note in turned)


def test_a_posterior_picture_runs_from_the_left_and_is_turned_when_it_says_that_it_runs_from_the_right(
    tmp_path, person
):
    acquired = read_scan(write_itk(tmp_path / "a_POST.nrrd", person[1], (-1, 0, 0), (0, 0, -1)))
    mirrored = read_scan(write_itk(tmp_path / "b_POST.nrrd", person[1][:, ::-1], (1, 0, 0), (0, 0, -1)))
    assert np.array_equal(acquired.posterior.counts, person[1])
    assert np.array_equal(mirrored.posterior.counts, person[1])
    assert any("flipped" in note for note in mirrored.warnings)


def test_axial_directions_which_formats_fall_back_to_turn_nothing(tmp_path, person):
    path = write_itk(tmp_path / "p_ANT.nrrd", person[0], (1, 0, 0), (0, 1, 0))
    assert np.array_equal(read_scan(path).anterior.counts, person[0])


def test_a_lateral_or_oblique_plane_is_refused(tmp_path, person):
    with pytest.raises(UserError, match=r"p_ANT\.nrrd.*no view from the front"):
        read_scan(write_itk(tmp_path / "p_ANT.nrrd", person[0], (0, 1, 0), (0, 0, -1)))


@pytest.mark.parametrize("version", [1, 2])
def test_a_slice_in_patient_axes_is_one_picture(tmp_path, person, version):
    canonical = person[0][::-1, ::-1].T[:, None, :]
    place = np.column_stack([np.diag([MM, 1.0, MM]), np.zeros(3)])
    scan = read_scan(write_nifti(tmp_path / "p_ANT.nii", canonical, place, version=version))
    assert np.array_equal(scan.anterior.counts, person[0])
    assert scan.anterior.spacing == pytest.approx((MM, MM))


@pytest.mark.parametrize("version", [1, 2])
def test_a_flat_nifti_with_a_coronal_affine_is_read(tmp_path, person, version):
    path = write_nifti(tmp_path / "p_ANT.nii", person[0].T, affine((-1, 0, 0), (0, 0, -1)), version=version)
    assert np.array_equal(read_scan(path).anterior.counts, person[0])


def test_a_slope_of_zero_scales_nothing_whatever_the_intercept(tmp_path, person):
    place = affine((-1, 0, 0), (0, 0, -1))
    path = write_nifti(tmp_path / "p_ANT.nii", person[0].T[..., None], place, slope=(0.0, 100.0))
    assert np.array_equal(read_scan(path).anterior.counts, person[0])
    path = write_nifti(tmp_path / "q_ANT.nii", person[0].T[..., None], place, slope=(0.5, 0.0))
    assert np.array_equal(read_scan(path).anterior.counts, person[0] * 0.5)


def test_units_of_length_are_read(tmp_path, person):
    place = affine((-1, 0, 0), (0, 0, -1), 0.00452)
    scan = read_scan(write_nifti(tmp_path / "p_ANT.nii", person[0].T[..., None], place, mm=0.00452, units=1))
    assert scan.anterior.spacing == pytest.approx((MM, MM))
    path = write_itk(tmp_path / "q_ANT.nrrd", person[0], (1, 0, 0), (0, 0, -1))
    header, pixels = path.read_bytes().split(b"\n\n", 1)
    directions = b"space directions: (0.452,0,0) (0,0,-0.452) (0,0.1,0)"
    header = re.sub(rb"space directions:.*", directions, header) + b'\nspace units: "cm" "cm" "cm"'
    path.write_bytes(header + b"\n\n" + pixels)
    assert read_scan(path).anterior.spacing == pytest.approx((MM, MM))


def test_one_millimetre_give_or_take_a_rounding_is_no_stated_pixel_size(tmp_path, person):
    image = sitk.GetImageFromArray(person[0])
    image.SetSpacing((1.0000000150, 1.0000000150))
    sitk.WriteImage(image, str(tmp_path / "p_ANT.nrrd"))
    with pytest.raises(UserError, match="does not state its pixel size"):
        read_scan(tmp_path / "p_ANT.nrrd")


def oriented(detectors):
    """Detector items with their directions (LPS)."""
    items = []
    for view, cosines in detectors:
        item, code = Dataset(), Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = view, "SCT", ""
        item.ViewCodeSequence, item.ImageOrientationPatient = [code], cosines
        items.append(item)
    return items


def test_a_detector_that_says_its_view_is_mirrored_already_is_turned_by_name(tmp_path, person, nm_file):
    anterior, posterior = person
    front, back = ("399321004", [1, 0, 0, 0, 0, -1]), ("399001007", [-1, 0, 0, 0, 0, -1])
    honest = nm_file(tmp_path / "a.dcm", [anterior, posterior], DetectorInformationSequence=oriented([front, back]))
    assert np.array_equal(read_scan(honest).posterior.counts, posterior)
    assert read_scan(honest).warnings == ()
    mirrored = ("399001007", [1, 0, 0, 0, 0, -1])
    stored = nm_file(
        tmp_path / "b.dcm", [anterior, posterior[:, ::-1]], DetectorInformationSequence=oriented([front, mirrored])
    )
    scan = read_scan(stored)
    assert np.array_equal(scan.posterior.counts, posterior)
    assert any("b.dcm" in note and "posterior" in note for note in scan.warnings)


def test_axial_directions_of_a_detector_are_not_used(tmp_path, person, nm_file):
    usual = [(code, [1, 0, 0, 0, 1, 0]) for code in ("399321004", "399001007")]
    scan = read_scan(nm_file(tmp_path / "a.dcm", list(person), DetectorInformationSequence=oriented(usual)))
    assert np.array_equal(scan.posterior.counts, person[1])
    assert scan.warnings == ()


def test_a_position_on_the_other_side_is_reported_by_name_where_no_direction_is_stated(tmp_path, person, nm_file):
    detectors = oriented([("399321004", None), ("399001007", None)])
    for item, place in zip(detectors, (-290.0, 290.0), strict=True):
        del item.ImageOrientationPatient
        item.ImagePositionPatient = [place, 0, 1150]
    honest = nm_file(tmp_path / "a.dcm", list(person), DetectorInformationSequence=detectors)
    assert read_scan(honest).warnings == ()
    detectors[1].ImagePositionPatient = [-290.0, 0, 1150]
    reported = read_scan(nm_file(tmp_path / "b.dcm", list(person), DetectorInformationSequence=detectors)).warnings
    assert len(reported) == 1
    assert "b.dcm" in reported[0]
    assert "posterior" in reported[0]
