"""Valid scans with unusual headers are read correctly, or refused for the right reason."""

import os
import struct

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image
from pydicom.dataset import Dataset
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.loading.archive import LeftOut, find_scans
from SpectBoneMetSegLib.scan.plausibility import check_scan

MM = 4.52
BOTH = ["anterior", "posterior"]


def assert_counts(scan, anterior, posterior=None):
    assert np.array_equal(scan.anterior.counts, anterior)
    assert (scan.posterior is None) == (posterior is None)
    if posterior is not None:
        assert np.array_equal(scan.posterior.counts, posterior)


def rewritten(path, element, value):
    """Give an element of an explicit little endian file another text, whatever its VR allows."""
    content = path.read_bytes()
    start = content.index(element)
    (length,) = struct.unpack_from("<H", content, start + 6)
    value += b" " * (len(value) % 2)
    path.write_bytes(content[: start + 6] + struct.pack("<H", len(value)) + value + content[start + 8 + length :])
    return path


def windows(*limits):
    found = []
    for low, high in limits:
        part, window = Dataset(), Dataset()
        part.EnergyWindowLowerLimit, part.EnergyWindowUpperLimit = low, high
        window.EnergyWindowRangeSequence = [part]
        found.append(window)
    return found


def test_detectors_counted_from_zero_keep_their_sides(both_views, person):
    assert_counts(read_scan(both_views(DetectorVector=[0, 1])), *person)
    assert_counts(read_scan(both_views(DetectorVector=[1, 0])), *person[::-1])


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("peak", [0, 1])
def test_energy_windows_counted_from_zero_or_one_give_the_photopeak(nm_file, tmp_path, person, first, peak):
    scatter = [view // 4 for view in person]
    frames = [*person, *scatter] if peak == 0 else [*scatter, *person]
    limits = [(126.45, 154.55), (100.0, 120.0)]
    path = nm_file(
        tmp_path / "a.dcm",
        frames,
        ("anterior", "posterior"),
        DetectorVector=[1, 2, 1, 2],
        EnergyWindowVector=[first, first, first + 1, first + 1],
        EnergyWindowInformationSequence=windows(*(limits if peak == 0 else limits[::-1])),
    )
    assert_counts(read_scan(path), *person)


@pytest.mark.parametrize(
    ("cosines", "turn"), [([-1, 0, 0, 0, 0, -1], np.s_[:, ::-1]), ([1, 0, 0, 0, 0, 1], np.s_[::-1])]
)
def test_directions_at_the_top_level_of_an_only_view_are_used(nm_file, tmp_path, person, cosines, turn):
    stored = np.ascontiguousarray(person[0][turn])
    scan = read_scan(nm_file(tmp_path / "a.dcm", [stored], ("anterior",), ImageOrientationPatient=cosines))
    assert_counts(scan, person[0])
    assert any("a.dcm states" in note and "flipped" in note for note in scan.warnings)


def test_directions_at_the_top_level_say_nothing_about_several_detectors(both_views, person):
    assert_counts(read_scan(both_views(ImageOrientationPatient=[1, 0, 0, 0, 0, -1])), *person)


@pytest.mark.parametrize("written", [b"2,0", b"2.00", b"2.", b"02"])
def test_a_number_of_frames_that_is_written_oddly_damages_nothing(both_views, person, written):
    assert_counts(read_scan(rewritten(both_views(), b"\x28\x00\x08\x00IS", written)), *person)


@pytest.mark.parametrize(("vr", "value"), [("UL", 512), ("DS", "512.0"), ("LO", "512")])
def test_rows_of_another_value_representation_damage_nothing(nm_file, tmp_path, person, vr, value):
    path = nm_file(tmp_path / "a.dcm", list(person), ("anterior", "posterior"))
    dataset = pydicom.dcmread(path)
    dataset.add_new(0x00280010, vr, value)
    dataset.save_as(path, enforce_file_format=True)
    assert_counts(read_scan(path), *person)


def test_a_file_that_does_not_name_its_transfer_syntax_is_read(both_views, person):
    path = both_views()
    content = path.read_bytes()
    start = content.index(b"\x02\x00\x10\x00UI")
    (length,) = struct.unpack_from("<H", content, start + 6)
    path.write_bytes(content[:start] + content[start + 8 + length :])
    assert_counts(read_scan(path), *person)


@pytest.mark.parametrize(
    "written", ["4.52 mm\\4.52 mm", "4.52mm\\4.52mm", "4,52 MM\\4,52 MM", "4.52\\4.52\\1.0", "4.52,4.52"]
)
def test_a_pixel_spacing_with_its_unit_or_a_third_value_is_understood(nm_file, tmp_path, person, written):
    path = nm_file(tmp_path / "a.dcm", list(person), ("anterior", "posterior"))
    dataset = pydicom.dcmread(path)
    dataset.add_new(0x00280030, "LO", written)
    dataset.save_as(path, enforce_file_format=True)
    assert read_scan(path).anterior.spacing == (4.52, 4.52)


def test_a_rescale_slope_of_0_scales_nothing_and_is_reported(both_views, person):
    scan = read_scan(both_views(RescaleSlope=0, RescaleIntercept=7))
    assert_counts(scan, *person)
    assert any("slope of 0" in note for note in scan.warnings)


def test_an_empty_second_view_is_left_out_with_a_warning(nm_file, tmp_path, person):
    scan = read_scan(nm_file(tmp_path / "a.dcm", [person[0], person[0] * 0], ("anterior", "posterior")))
    assert_counts(scan, person[0])
    assert any("posterior view of a.dcm holds no counts and was left out" in note for note in scan.warnings)
    path = nm_file(tmp_path / "b.dcm", [person[0] * 0] * 2, ("anterior", "posterior"))
    with pytest.raises(UserError, match="holds no counts"):
        read_scan(path)


def write_nifti(path, array):
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, array.ndim, *array.shape, *[1] * (7 - array.ndim))
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, *[1.0] + [MM] * 7)
    struct.pack_into("<f", header, 108, 352)
    header[123], header[344:348] = 2, b"n+1\0"
    path.write_bytes(bytes(header) + array.astype("<i2").tobytes(order="F"))
    return path


@pytest.mark.parametrize("axes", [np.s_[:, :, None, :], np.s_[:, :, None, None, :], np.s_[:, None, :, :]])
def test_views_along_the_fourth_axis_of_a_volume_are_two_views(tmp_path, person, axes):
    stored = np.stack([view.T for view in person], -1)[axes]
    scan = read_scan(write_nifti(tmp_path / "a.nii", stored), views=BOTH)
    assert_counts(scan, *person)


def test_a_volume_of_more_points_in_time_is_no_scan(tmp_path, person):
    stored = np.stack([person[0].T] * 3, -1)[:, :, None, :]
    with pytest.raises(UserError, match="one or two planar views"):
        read_scan(write_nifti(tmp_path / "a.nii", stored), views=BOTH)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_two_values_a_pixel_are_two_views_and_no_colour(tmp_path, person, suffix):
    image = sitk.GetImageFromArray(np.stack(person, -1).astype(np.int16), isVector=True)
    image.SetSpacing((MM, MM))
    sitk.WriteImage(image, str(tmp_path / f"a{suffix}"))
    assert_counts(read_scan(tmp_path / f"a{suffix}", views=BOTH), *person)


def test_two_bodies_one_above_the_other_are_no_view(tmp_path, person):
    Image.fromarray(np.vstack(person).astype(np.uint16)).save(tmp_path / "p_ant.png")
    scan = read_scan(tmp_path / "p_ant.png", pixel_size_mm=2.2)
    with pytest.raises(UserError, match="two bodies one above the other"):
        check_scan(scan)


@pytest.mark.parametrize("quarters", [1, 3])
def test_bodies_that_lie_across_are_not_cut_in_two(tmp_path, person, quarters):
    lying = np.vstack([np.rot90(view, quarters) for view in person])
    Image.fromarray(np.ascontiguousarray(lying)).save(tmp_path / "p_ant_post.png")
    scan = read_scan(tmp_path / "p_ant_post.png", pixel_size_mm=MM)
    with pytest.raises(UserError, match="lies across"):
        check_scan(scan)


def test_days_and_times_as_old_systems_write_them_distinguish_two_days(nm_file, tmp_path, person):
    for name, day in (("a", "20240102"), ("b", "20240103")):
        path = nm_file(tmp_path / "in" / name, list(person), ("anterior", "posterior"), AcquisitionDate=day)
        rewritten(path, b"\x08\x00\x22\x00DA", f"{day[:4]}.{day[4:6]}.{day[6:]}".encode())
        rewritten(path, b"\x08\x00\x32\x00TM", b"10:15:00")
    archive = find_scans(tmp_path / "in")
    assert [scan.files[0].name for scan in archive.scans] == ["a", "b"]
    assert [scan.notes for scan in archive.scans] == [(), ()]


def test_compressed_files_and_interfile_in_an_archive_are_reported_and_other_files_are_not(nm_file, tmp_path, person):
    nm_file(tmp_path / "in" / "scan.dcm", list(person), ("anterior", "posterior"))
    for name in ("study.zip", "scan.dcm.gz", "all.tar"):
        (tmp_path / "in" / name).write_bytes(b"whatever")
    (tmp_path / "in" / "bone.h33").write_bytes(b"!INTERFILE :=\r\n")
    (tmp_path / "in" / "bone.i33").write_bytes(b"\x01\x00" * 300)
    reported = {each.path.name: each.reason for each in find_scans(tmp_path / "in").left_out}
    assert set(reported) == {"study.zip", "scan.dcm.gz", "all.tar", "bone.h33"}
    assert "Interfile" in reported["bone.h33"]


@pytest.mark.skipif(os.name == "nt", reason="making links needs a right there")
def test_folders_behind_links_are_searched_once(nm_file, tmp_path, person):
    nm_file(tmp_path / "elsewhere" / "scan.dcm", list(person), ("anterior", "posterior"))
    archive = tmp_path / "in"
    archive.mkdir()
    (archive / "linked").symlink_to(tmp_path / "elsewhere")
    (archive / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(archive)
    found = find_scans(archive)
    assert [len(scan.files) for scan in found.scans] == [1]
    assert found.left_out == []


def test_data_sets_for_training_are_no_scans_of_an_archive(nm_file, tmp_path, person):
    nm_file(tmp_path / "in" / "scan.dcm", list(person), ("anterior", "posterior"))
    for name in ("set/imagesTr/a_0000.png", "set/labelsTr/a.png", "set/instances/a_anterior.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(person[0]).save(tmp_path / "in" / name)
    (tmp_path / "in" / "set" / "dataset.json").write_text("{}")
    found = find_scans(tmp_path / "in")
    assert [len(scan.files) for scan in found.scans] == [1]
    assert found.left_out == [LeftOut(tmp_path / "in" / "set", "a training data set")]
