"""Grey values become counts: inverted images, padding, rescaling, panels, and missing pixel sizes."""

import bz2
import re

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_scan


def peak(view):
    """(row, column) of the hottest pixel."""
    return tuple(int(place) for place in np.unravel_index(view.counts.argmax(), view.shape))


def near_lesion(view, column=88):
    row, place = peak(view)
    return abs(row - 140) <= 4 and abs(place - column) <= 4


def grey(counts, top=60):
    return np.clip(counts * (255.0 / top), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("top", [200, 400])
def test_an_inverted_picture_is_inverted_back_with_a_warning(tmp_path, person, top):
    Image.fromarray(255 - grey(person[0], top)).save(tmp_path / "p_ANT.png")
    scan = read_scan(tmp_path / "p_ANT.png", pixel_size_mm=4.52)
    assert np.array_equal(scan.anterior.counts, grey(person[0], top))
    assert any("inverted" in note and "p_ANT.png" in note for note in scan.warnings)


def test_an_inverted_capture_with_both_views_is_turned(tmp_path, person, nm_file):
    wide = 255 - grey(np.concatenate(person, axis=1), 300)
    path = nm_file(
        tmp_path / "a.dcm", [wide], SOPClassUID=SecondaryCaptureImageStorage, SeriesDescription="WB ANT POST"
    )
    scan = read_scan(path)
    assert near_lesion(scan.anterior)
    assert near_lesion(scan.posterior, 127 - 88)
    assert any("inverted" in note for note in scan.warnings)


def test_the_air_and_not_the_header_says_what_is_inverted(both_views, person, nm_file, tmp_path):
    shown = read_scan(both_views("shown.dcm", PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(shown.anterior.counts, person[0])
    assert any("shown.dcm" in note and "as stored" in note for note in shown.warnings)
    stored = [np.uint16(65535) - view for view in person]
    path = nm_file(tmp_path / "stored.dcm", stored, ("anterior", "posterior"), PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(read_scan(path).posterior.counts, person[1])


def test_counts_are_never_turned(both_views, person):
    for factor in (1, 20):
        scan = read_scan(both_views(PixelData=np.stack([factor * view for view in person]).tobytes()))
        assert np.array_equal(scan.anterior.counts, factor * person[0])
        assert scan.warnings == ()


@pytest.mark.parametrize("panels", [3, 4])
def test_more_than_two_bodies_side_by_side_are_refused(tmp_path, person, nm_file, panels):
    anterior, posterior = person
    shown = [grey(anterior, 60), grey(posterior, 60), grey(anterior, 20), grey(posterior, 20)]
    header = {"SOPClassUID": SecondaryCaptureImageStorage, "SeriesDescription": "WB ANT POST"}
    with pytest.raises(UserError, match="bodies"):
        read_scan(nm_file(tmp_path / "more.dcm", [np.concatenate(shown[:panels], axis=1)], **header))
    scan = read_scan(nm_file(tmp_path / "two.dcm", [np.concatenate(shown[:2], axis=1)], **header))
    assert near_lesion(scan.anterior)


def test_one_body_in_a_wide_field_is_not_cut_in_two(tmp_path, person, nm_file):
    wide = np.pad(person[0], ((0, 0), (64, 64)))
    with pytest.raises(UserError, match="one body"):
        read_scan(nm_file(tmp_path / "a.dcm", [wide], SeriesDescription="WB ANT POST"))
    assert read_scan(nm_file(tmp_path / "b.dcm", [wide], ("anterior",))).anterior.shape == (512, 256)


def test_counts_come_back_from_a_real_world_value_mapping(both_views, person):
    mapping, unit = Dataset(), Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "{counts}", "UCUM", "Counts"
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.25, 0.0
    mapping.MeasurementUnitsCodeSequence = [unit]
    stored = np.stack([4 * view for view in person]).tobytes()
    scan = read_scan(both_views(PixelData=stored, RealWorldValueMappingSequence=[mapping]))
    assert np.array_equal(scan.anterior.counts, person[0])
    unit.CodeValue = "Bq/ml"
    scan = read_scan(both_views("b.dcm", PixelData=stored, RealWorldValueMappingSequence=[mapping]))
    assert any("BQ/ML" in note for note in scan.warnings)


def test_padding_is_no_counts(both_views, person):
    padded = [view.copy() for view in person]
    for view in padded:
        view[:, :6] = 60000
    scan = read_scan(both_views(PixelData=np.stack(padded).tobytes(), PixelPaddingValue=60000))
    assert not scan.anterior.counts[:, :6].any()
    assert np.array_equal(scan.anterior.counts[:, 6:], person[0][:, 6:])
    assert any("padding" in note for note in scan.warnings)


def test_a_modality_table_is_applied(both_views, person):
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4096, 0, 16], "US"
    table["LUTDescriptor"].VR = "US"
    table.add_new("LUTData", "OW", (np.arange(4096) * 2).astype("<u2").tobytes())
    scan = read_scan(both_views(ModalityLUTSequence=[table]))
    assert np.array_equal(scan.anterior.counts, 2 * person[0])


@pytest.mark.parametrize("number", [None, 1])
def test_the_vectors_list_frames_that_the_number_omits(both_views, person, number):
    scan = read_scan(both_views(NumberOfFrames=number))
    assert np.array_equal(scan.posterior.counts, person[1])
    assert any("all were read" in note for note in scan.warnings)


def test_more_pixels_than_frames_are_refused_where_no_vector_decides(both_views):
    with pytest.raises(UserError, match="stores 2"):
        read_scan(both_views(NumberOfFrames=None, DetectorVector=None, ImageID="ANT"))


def test_a_palette_of_an_nm_image_colours_counts_and_changes_none(both_views, person):
    assert np.array_equal(read_scan(both_views(PhotometricInterpretation="PALETTE COLOR")).anterior.counts, person[0])


def test_float_pixels_are_read(both_views, person):
    values = np.stack(person).astype(np.float32)
    path = both_views(
        FloatPixelData=values.tobytes(), PixelData=None, BitsAllocated=32, BitsStored=None, HighBit=None,
        PixelRepresentation=None,
    )  # fmt: skip
    assert np.array_equal(read_scan(path).posterior.counts, person[1])


def test_a_view_code_at_the_top_level_names_the_side(tmp_path, person, nm_file):
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "399001007", "SCT", "Posterior"
    scan = read_scan(nm_file(tmp_path / "a.dcm", [person[1]], ViewCodeSequence=[code]))
    assert scan.anterior is None


@pytest.mark.parametrize(
    ("written", "understood"), [(b"4,52\\4,52", True), (b"4.52,4.52", True), (b"UNKNOWN  ", False)]
)
@pytest.mark.parametrize("vr", [b"DS", b"UT"])
def test_an_oddly_written_pixel_size_is_understood_or_replaced_by_the_option(both_views, written, understood, vr):
    path = both_views()
    content = path.read_bytes()
    usual = b"\x28\x00\x30\x00DS\x0a\x004.52\\4.52 "
    assert content.count(usual) == 1
    text = written.ljust(10)
    length = len(text).to_bytes(2, "little") if vr == b"DS" else b"\0\0" + len(text).to_bytes(4, "little")
    path.write_bytes(content.replace(usual, b"\x28\x00\x30\x00" + vr + length + text))
    if understood:
        assert read_scan(path).anterior.spacing == (4.52, 4.52)
    else:
        with pytest.raises(UserError, match="does not state its pixel size"):
            read_scan(path)
    assert read_scan(path, pixel_size_mm=4.52).anterior.spacing == (4.52, 4.52)


def test_a_decimal_comma_in_an_energy_limit_hides_no_photopeak(both_views):
    part, window = Dataset(), Dataset()
    part.EnergyWindowLowerLimit, part.EnergyWindowUpperLimit = "126.45", "154.55"
    window.EnergyWindowRangeSequence = [part]
    path = both_views(EnergyWindowVector=[1, 1], EnergyWindowInformationSequence=[window])
    content = path.read_bytes()
    assert content.count(b"126.45") == 1
    path.write_bytes(content.replace(b"126.45", b"126,45"))
    assert read_scan(path).warnings == ()


@pytest.mark.parametrize("dpi", [72, 96, 300])
def test_the_resolution_of_a_print_is_no_pixel_size_of_the_patient(tmp_path, person, dpi):
    Image.fromarray(person[0]).save(tmp_path / "p_ANT.tif", dpi=(dpi, dpi))
    with pytest.raises(UserError, match="does not state its pixel size"):
        read_scan(tmp_path / "p_ANT.tif")
    scan = read_scan(tmp_path / "p_ANT.tif", pixel_size_mm=4.52)
    assert any(f"{dpi} dpi" in note for note in scan.warnings)


def test_a_tiff_that_makes_a_human_body_keeps_its_pixel_size(tmp_path, person):
    Image.fromarray(person[0]).save(tmp_path / "p_ANT.tif", dpi=(25.4 / 4.52, 25.4 / 4.52))
    assert read_scan(tmp_path / "p_ANT.tif").anterior.spacing == pytest.approx((4.52, 4.52), rel=1e-3)


def test_a_white_is_zero_tiff_is_turned(tmp_path, person):
    from PIL import TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    Image.fromarray(np.uint16(65535) - person[0]).save(tmp_path / "p_ANT.tif", tiffinfo=tags)
    scan = read_scan(tmp_path / "p_ANT.tif", pixel_size_mm=4.52)
    assert np.array_equal(scan.anterior.counts, person[0])


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_makes_a_grey_picture_no_coloured_one(tmp_path, person, mode):
    Image.fromarray(grey(person[0])).convert(mode).save(tmp_path / "p_ANT.png")
    assert near_lesion(read_scan(tmp_path / "p_ANT.png", pixel_size_mm=4.52).anterior)


def test_other_ways_to_store_a_picture_are_read(tmp_path, person):
    image = sitk.GetImageFromArray(person[0])
    image.SetSpacing((4.52, 4.52))
    for name in ("a_ANT.nhdr", "b_ANT.mhd", "c_ANT.nrrd"):
        sitk.WriteImage(image, str(tmp_path / name))
    header, pixels = (tmp_path / "c_ANT.nrrd").read_bytes().split(b"\n\n", 1)
    assert b"encoding: raw" in header
    packed = re.sub(rb"encoding: raw", b"encoding: bzip2", header) + b"\n\n" + bz2.compress(pixels)
    (tmp_path / "c_ANT.nrrd").write_bytes(packed)
    for name in ("a_ANT.nhdr", "b_ANT.mhd", "c_ANT.nrrd"):
        assert np.array_equal(read_scan(tmp_path / name).anterior.counts, person[0])
    Image.fromarray(grey(person[0])).save(tmp_path / "d_ANT.jpg", quality=95)
    scan = read_scan(tmp_path / "d_ANT.jpg", pixel_size_mm=4.52)
    assert any("with loss" in note for note in scan.warnings)


def test_a_damaged_compressed_picture_is_one_sentence_and_prints_nothing_else(both_views, capfd):
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless

    path = both_views()
    import pydicom

    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    ds.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(300)] * 2)
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.save_as(path)
    with pytest.raises(UserError, match="damaged or compressed"):
        read_scan(path)
    assert capfd.readouterr() == ("", "")


def test_hot_spots_beyond_16_signed_bits_are_reported_with_their_remedy(both_views, person):
    hot = [view.astype(np.int64) * 40000 // int(view.max()) for view in person]
    wrapped = np.stack([view.astype(np.uint16).view(np.int16) for view in hot])
    scan = read_scan(both_views(PixelData=wrapped.tobytes(), PixelRepresentation=1))
    for name in ("anterior", "posterior"):
        assert any(f"in the {name} view" in note and "export the scan with unsigned" in note for note in scan.warnings)


def test_other_negative_pixels_are_reported_with_their_remedy(both_views, person):
    changed = np.stack(person).astype(np.int16)
    changed[0, 0, 0] = -3
    scan = read_scan(both_views(PixelData=changed.tobytes(), PixelRepresentation=1))
    (note,) = [note for note in scan.warnings if "negative" in note]
    assert "1 negative pixel in the anterior view, set to 0" in note
    assert "export the scan as it was acquired" in note
