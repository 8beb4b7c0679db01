"""DICOM files of every kind met in hospitals, built here with pydicom alone."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    NuclearMedicineImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_scan

SHAPE = (40, 10)
ANTERIOR = np.random.default_rng(1).poisson(20, SHAPE).astype(np.uint16)
POSTERIOR = np.random.default_rng(2).poisson(30, SHAPE).astype(np.uint16)


def code(value: str, meaning: str = "", scheme: str = "SCT") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def detector(*view: str) -> Dataset:
    item = Dataset()
    if view:
        item.ViewCodeSequence = [code(*view)]
    return item


def nm(*frames: np.ndarray, detectors: list[Dataset] | None = None, **header: object) -> Dataset:
    """An NM data set; every frame is seen by a detector of its own unless the header says otherwise."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = NuclearMedicineImageStorage, "1.2.3.4", "NM"
    ds.StudyInstanceUID, ds.PatientName, ds.Manufacturer = "1.2.3", "Do^Not^Tell", "Maker"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"]
    ds.PixelSpacing = [2.4, 2.26]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.NumberOfFrames, (ds.Rows, ds.Columns) = len(frames), frames[0].shape
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, int(frames[0].dtype.kind == "i")
    ds.PixelData = np.stack(frames).tobytes()
    ds.EnergyWindowVector, ds.DetectorVector = [1] * len(frames), list(range(1, len(frames) + 1))
    if detectors is not None:
        ds.DetectorInformationSequence = detectors
    for keyword, value in header.items():
        setattr(ds, keyword, value)
    return ds


def saved(ds: Dataset, path: Path) -> Path:
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def coded_pair(**header: object) -> Dataset:
    return nm(ANTERIOR, POSTERIOR, detectors=[detector("399321004"), detector("399001007")], **header)


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(UserError) as caught:
        read_scan(path, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0
    return sentence


@pytest.mark.parametrize(
    ("anterior", "posterior"),
    [
        (("399321004",), ("399001007",)),
        (("255549009", "Anterior"), ("255551008", "Posterior")),
        (("R-10206", "Anterior", "SNM3"), ("R-10214", "Posterior", "SNM3")),
        (("G-5215", "", "SRT"), ("G-5216", "", "SRT")),
        (("local1", "ANT", "99X"), ("local2", "POST", "99X")),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_view_codes_name_the_frames_in_any_order(tmp_path, anterior, posterior, turned):
    frames, detectors = [ANTERIOR, POSTERIOR], [detector(*anterior), detector(*posterior)]
    if turned:
        frames, detectors = frames[::-1], detectors[::-1]
    scan = read_scan(saved(nm(*frames, detectors=detectors), tmp_path / "a.dcm"))
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    assert np.array_equal(scan.posterior.counts, POSTERIOR)
    assert scan.anterior.spacing == (2.4, 2.26)
    assert scan.warnings == ()


def test_detector_vector_and_not_frame_order_points_at_the_detector(tmp_path):
    scan = read_scan(saved(coded_pair(DetectorVector=[2, 1]), tmp_path / "a.dcm"))
    assert np.array_equal(scan.posterior.counts, ANTERIOR)


def test_source_holds_digest_uid_and_camera_but_no_patient(tmp_path):
    path = saved(coded_pair(StudyDate="20240203", OperatorsName="Nobody^Else"), tmp_path / "1.2.840.10")
    scan = read_scan(path)
    assert scan.case == "1.2.840.10"
    assert scan.source.files == (str(path),)
    assert scan.source.sha256 == (hashlib.sha256(path.read_bytes()).hexdigest(),)
    assert scan.source.sop_instance_uids == ("1.2.3.4",)
    assert scan.source.description["counts_posterior"] == str(POSTERIOR.sum())
    assert scan.source.description["study_date"] == "20240203"
    assert "Not" not in str(scan.source) + str(scan.warnings)
    assert "Nobody" not in str(scan.source)


def test_only_the_photopeak_window_is_read(tmp_path):
    def window(low: float, high: float) -> Dataset:
        part, item = Dataset(), Dataset()
        part.EnergyWindowLowerLimit, part.EnergyWindowUpperLimit = low, high
        item.EnergyWindowRangeSequence = [part]
        return item

    ds = nm(
        ANTERIOR // 4,
        POSTERIOR // 4,
        ANTERIOR,
        POSTERIOR,
        detectors=[detector("399321004"), detector("399001007")],
        DetectorVector=[1, 2, 1, 2],
        EnergyWindowVector=[1, 1, 2, 2],
        EnergyWindowInformationSequence=[window(100, 125), window(126, 154)],
    )
    scan = read_scan(saved(ds, tmp_path / "a.dcm"))
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    assert np.array_equal(scan.posterior.counts, POSTERIOR)
    ds.EnergyWindowInformationSequence = [window(100, 125), window(160, 190)]
    assert "140 keV" in refusal(saved(ds, tmp_path / "b.dcm"))


@pytest.mark.parametrize(("limits", "said"), [((50, 90), True), ((126, 154), False), ((None, None), False)])
def test_an_only_window_beside_140_kev_is_warned_about(tmp_path, limits, said):
    part, window = Dataset(), Dataset()
    if limits[0]:
        part.EnergyWindowLowerLimit, part.EnergyWindowUpperLimit = limits
    window.EnergyWindowRangeSequence = [part]
    ds = coded_pair(EnergyWindowInformationSequence=[window])
    warnings_ = read_scan(saved(ds, tmp_path / "a.dcm")).warnings
    expected = [
        "The only energy window of a.dcm (50-90 keV) misses the 140 keV of 99mTc: check that it is a bone scan."
    ]
    assert list(warnings_) == (expected if said else [])


@pytest.mark.parametrize("keyword", ["ImageID", "SeriesDescription", "ImageComments"])
def test_two_files_are_named_by_their_texts(tmp_path, keyword):
    saved(nm(POSTERIOR, **{keyword: "WB POST"}, SOPInstanceUID="1.2.3.5"), tmp_path / "s" / "1.dcm")
    saved(nm(ANTERIOR, **{keyword: "WB_ANT"}), tmp_path / "s" / "2.dcm")
    (tmp_path / "s" / "DICOMDIR").write_bytes(b"x" * 200)
    scan = read_scan(tmp_path / "s")
    assert scan.case == "s"
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    assert np.array_equal(scan.posterior.counts, POSTERIOR)
    assert scan.source.sop_instance_uids == ("1.2.3.5", "1.2.3.4")


def test_a_single_view_is_read_with_a_warning(tmp_path):
    scan = read_scan(saved(nm(POSTERIOR, ImageID="POSTERIOR"), tmp_path / "a.dcm"))
    assert scan.anterior is None
    assert np.array_equal(scan.posterior.counts, POSTERIOR)
    assert any("Only the posterior view" in warning for warning in scan.warnings)


def test_halves_of_a_wide_picture_are_named_by_text_or_option(tmp_path):
    wide = np.concatenate([POSTERIOR, ANTERIOR], axis=1)
    by_text = read_scan(saved(nm(wide, SeriesDescription="WB POST/ANT"), tmp_path / "a.dcm"))
    untold = saved(nm(wide), tmp_path / "b.dcm")
    by_option = read_scan(untold, views=["posterior", "anterior"])
    for scan in (by_text, by_option):
        assert np.array_equal(scan.anterior.counts, ANTERIOR)
        assert np.array_equal(scan.posterior.counts, POSTERIOR)
    assert "--views" in refusal(untold)


@pytest.mark.parametrize(
    "ds",
    [
        nm(ANTERIOR, POSTERIOR),
        nm(ANTERIOR, POSTERIOR, SeriesDescription="ANT"),
        nm(ANTERIOR, POSTERIOR, detectors=[detector(), detector()]),
        nm(ANTERIOR, POSTERIOR, detectors=[detector("399321004"), detector()]),
        nm(ANTERIOR, POSTERIOR, detectors=[detector("399321004"), detector("399321004")]),
        nm(ANTERIOR, detectors=[detector("R-10206", "Posterior")]),
        nm(ANTERIOR, ImageID="ANT", SeriesDescription="POST"),
        nm(ANTERIOR, ImageID="POST", detectors=[detector("399321004")]),
        nm(ANTERIOR, SeriesDescription="BONE POST INJECTION"),
        nm(ANTERIOR),
    ],
    ids=str,
)
def test_open_or_contradicting_sides_are_refused_with_the_option(tmp_path, ds):
    sentence = refusal(saved(ds, tmp_path / "unclear.dcm"))
    assert "unclear.dcm" in sentence
    assert "--views" in sentence


@pytest.mark.parametrize("views", [[], ["front"], ["anterior", "anterior"], ["anterior", "posterior", "anterior"]])
def test_a_wrong_views_option_is_refused(tmp_path, views):
    assert "--views" in refusal(saved(coded_pair(), tmp_path / "a.dcm"), views=views)


def test_the_option_must_name_as_many_views_as_there_are(tmp_path):
    assert "--views" in refusal(saved(coded_pair(), tmp_path / "a.dcm"), views=["anterior"])
    assert "--views" in refusal(saved(nm(ANTERIOR), tmp_path / "b.dcm"), views=["anterior", "posterior"])


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_lossless_compression_changes_nothing(tmp_path, syntax):
    if syntax == JPEGLSLossless:
        pytest.importorskip("jpeg_ls")
    # JPEG 2000 wants a picture of at least 32 pixels a side.
    front, back = np.tile(ANTERIOR, (4, 4)), np.tile(POSTERIOR, (4, 4))
    ds = nm(front, back, detectors=[detector("399321004"), detector("399001007")])
    ds.compress(syntax, generate_instance_uid=False)
    scan = read_scan(saved(ds, tmp_path / "a.dcm"))
    assert np.array_equal(scan.anterior.counts, front)
    assert np.array_equal(scan.posterior.counts, back)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_other_encodings_change_nothing(tmp_path, syntax):
    ds = coded_pair()
    ds.file_meta.TransferSyntaxUID = syntax
    scan = read_scan(saved(ds, tmp_path / "a.dcm"))
    assert np.array_equal(scan.posterior.counts, POSTERIOR)


def test_a_file_without_preamble_is_read(tmp_path):
    ds = coded_pair()
    ds.save_as(tmp_path / "old.dcm", enforce_file_format=False)
    raw = (tmp_path / "old.dcm").read_bytes()
    (tmp_path / "old.dcm").write_bytes(raw[raw.index(b"\x08\x00\x08\x00CS") :])
    scan = read_scan(tmp_path / "old.dcm")
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    assert "preamble" in scan.warnings[0]


def test_rescaling_is_applied_and_negative_counts_are_cut_with_a_warning(tmp_path):
    signed = ANTERIOR.astype(np.int16) - 20
    scan = read_scan(saved(nm(signed, ImageID="ANT", RescaleSlope=2, RescaleIntercept=10), tmp_path / "a.dcm"))
    assert np.array_equal(scan.anterior.counts, np.clip(2 * (ANTERIOR.astype(float) - 20) + 10, 0, None))
    assert any("negative" in warning for warning in scan.warnings)


def test_a_missing_pixel_size_is_refused_or_given(tmp_path):
    ds = coded_pair()
    del ds.PixelSpacing
    path = saved(ds, tmp_path / "a.dcm")
    assert "--pixel-size" in refusal(path)
    assert read_scan(path, pixel_size_mm=2.4).anterior.spacing == (2.4, 2.4)
    assert "--pixel-size" in refusal(path, pixel_size_mm=-1)


def test_an_overridden_pixel_size_is_warned_about(tmp_path):
    scan = read_scan(saved(coded_pair(), tmp_path / "a.dcm"), pixel_size_mm=3.0)
    assert scan.posterior.spacing == (3.0, 3.0)
    assert any("--pixel-size" in warning for warning in scan.warnings)


def test_negative_slice_spacing_changes_nothing(tmp_path):
    scan = read_scan(saved(coded_pair(SpacingBetweenSlices=-2.26), tmp_path / "a.dcm"))
    assert scan.anterior.origin == pytest.approx((4.5 * 2.26, 0, 19.5 * 2.4))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"PatientGantryRelationshipCodeSequence": [code("F-10480", "feet-first", "SRT")]}, "feet first"),
        ({"PatientPosition": "HFP"}, "prone"),
        ({"PatientOrientation": ["L", "H"]}, "head is at the top"),
        ({"PatientOrientation": ["R", "F"]}, "left and right"),
        ({"LossyImageCompression": "01"}, "loss"),
    ],
)
def test_doubtful_positions_are_warned_about_and_nothing_is_turned(tmp_path, header, words):
    scan = read_scan(saved(nm(ANTERIOR, ImageID="ANT", **header), tmp_path / "a.dcm"))
    assert any(words in warning for warning in scan.warnings)
    assert np.array_equal(scan.anterior.counts, ANTERIOR)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"Modality": "CT"}, "modality CT"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]}, "tomo"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "GATED", "EMISSION"]}, "gated"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0}, "colour"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME1"),
        ({"PixelData": bytes(2 * ANTERIOR.nbytes)}, "no counts"),
        ({"PixelData": bytes(ANTERIOR.nbytes)}, "cut short"),
        ({"NumberOfFrames": 3}, "cut short"),
    ],
    ids=str,
)
def test_what_is_no_planar_scan_is_refused_by_name(tmp_path, header, words):
    sentence = refusal(saved(coded_pair(**header), tmp_path / "odd.dcm"))
    assert "odd.dcm" in sentence
    assert words in sentence


def test_further_frames_are_refused(tmp_path):
    lateral = nm(ANTERIOR, POSTERIOR, detectors=[detector("399321004"), detector("399118008", "Left lateral")])
    assert "Left lateral" in refusal(saved(lateral, tmp_path / "a.dcm"))
    assert "3 pictures" in refusal(saved(nm(ANTERIOR, POSTERIOR, POSTERIOR), tmp_path / "b.dcm"))


@pytest.mark.parametrize("content", [b"", b"only a text, no picture\n" * 40, bytes(range(256)) * 30])
def test_files_that_are_no_dicom_are_refused(tmp_path, content):
    (tmp_path / "fake.dcm").write_bytes(content)
    assert "fake.dcm" in refusal(tmp_path / "fake.dcm")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_cut_anywhere_is_refused(tmp_path, syntax, share):
    ds = coded_pair()
    if syntax == RLELossless:
        ds.compress(syntax, generate_instance_uid=False)
    raw = saved(ds, tmp_path / "whole.dcm").read_bytes()
    (tmp_path / "part.dcm").write_bytes(raw[: int(len(raw) * share)])
    assert "part.dcm" in refusal(tmp_path / "part.dcm")


def test_damaged_header_values_are_refused_in_one_sentence(tmp_path):
    raw = saved(coded_pair(), tmp_path / "a.dcm").read_bytes()
    assert raw.count(b"2.4\\2.26") == 1
    (tmp_path / "a.dcm").write_bytes(raw.replace(b"2.4\\2.26", b"2.4\\x.yz"))
    assert "a.dcm" in refusal(tmp_path / "a.dcm")


def test_folders_without_one_scan_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no scan" in refusal(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("nothing")
    assert "holds no scan" in refusal(tmp_path / "empty")
    assert "does not exist" in refusal(tmp_path / "missing")
    saved(nm(ANTERIOR, ImageID="ANT"), tmp_path / "two" / "a.dcm")
    saved(nm(POSTERIOR, ImageID="POST", StudyInstanceUID="1.2.9"), tmp_path / "two" / "b.dcm")
    assert "2 studies" in refusal(tmp_path / "two")
    saved(nm(ANTERIOR, Modality="CT"), tmp_path / "ct" / "a.dcm")
    assert "CT" in refusal(tmp_path / "ct")


def test_a_ct_beside_the_scan_is_left_out_with_a_warning(tmp_path):
    saved(coded_pair(), tmp_path / "s" / "deep" / "wb")
    saved(nm(ANTERIOR, Modality="CT"), tmp_path / "s" / "ct.dcm")
    scan = read_scan(tmp_path / "s")
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    assert "ct.dcm" in scan.warnings[0]


def test_nothing_is_said_on_the_terminal(tmp_path, capfd):
    ds = coded_pair()
    raw = saved(ds, tmp_path / "a.dcm").read_bytes().replace(b"1.2.3.4\x00", b"1.02.3.x")
    (tmp_path / "a.dcm").write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_scan(tmp_path / "a.dcm")
    assert capfd.readouterr() == ("", "")


def test_the_real_secondary_capture_is_read_and_its_assumed_side_is_said():
    store = pytest.importorskip("data_store")
    path = Path(store.__path__[0]) / "data" / "JPEG-LL.dcm"
    assert pydicom.dcmread(path, stop_before_pixels=True).SOPClassUID == SecondaryCaptureImageStorage
    # Nothing in this header names the side, and the format has no place for it.
    assert read_scan(path, views=["posterior"]).anterior is None
    assert not any("taken as anterior" in note for note in read_scan(path, views=["anterior"]).warnings)
    scan = read_scan(path)
    assert any("taken as anterior" in note for note in scan.warnings)
    assert scan.case == "JPEG-LL"
    assert scan.posterior is None
    assert scan.anterior.shape == (1024, 256)
    assert scan.anterior.spacing == (2.26, 2.26)
    assert scan.anterior.counts.sum(dtype=np.float64) == 3_596_452
    assert scan.anterior.counts.max() == 278
    assert scan.source.description["model"] == "MILLENNIUM MG"
