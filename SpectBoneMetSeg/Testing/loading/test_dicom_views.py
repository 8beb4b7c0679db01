"""DICOM: the view of a frame, a file or half an image, and refusals of ambiguous sides."""

import hashlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage
from SpectBoneMetSegLib.loading import read_scan
from support.nm_files import ANTERIOR, POSTERIOR, code, coded_pair, detector, nm, refusal, refused, saved


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


def test_a_scan_named_by_a_relative_path_is_found_from_any_other_folder(tmp_path, monkeypatch):
    path = saved(coded_pair(), tmp_path / "scans" / "a.dcm")
    monkeypatch.chdir(tmp_path)
    scan = read_scan("scans/a.dcm")
    monkeypatch.chdir("/")
    assert scan.source.files == (str(path),)


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


@pytest.mark.parametrize(("limits", "warned"), [((50, 90), True), ((126, 154), False), ((None, None), False)])
def test_a_single_window_without_140_kev_is_warned_about(tmp_path, limits, warned):
    part, window = Dataset(), Dataset()
    if limits[0]:
        part.EnergyWindowLowerLimit, part.EnergyWindowUpperLimit = limits
    window.EnergyWindowRangeSequence = [part]
    ds = coded_pair(EnergyWindowInformationSequence=[window])
    warnings_ = read_scan(saved(ds, tmp_path / "a.dcm")).warnings
    expected = [
        "The only energy window of a.dcm (50-90 keV) misses the 140 keV of 99mTc: check that it is a bone scan."
    ]
    assert list(warnings_) == (expected if warned else [])


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
    assert refused(untold).fields == ("views",)


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
    error = refused(saved(ds, tmp_path / "unclear.dcm"))
    assert "unclear.dcm" in str(error)
    assert error.fields == ("views",)


@pytest.mark.parametrize("views", [[], ["front"], ["anterior", "anterior"], ["anterior", "posterior", "anterior"]])
def test_a_wrong_views_option_is_refused(tmp_path, views):
    assert refused(saved(coded_pair(), tmp_path / "a.dcm"), views=views).fields == ("views",)


def test_the_option_must_name_as_many_views_as_there_are(tmp_path):
    assert refused(saved(coded_pair(), tmp_path / "a.dcm"), views=["anterior"]).fields == ("views",)
    assert refused(saved(nm(ANTERIOR), tmp_path / "b.dcm"), views=["anterior", "posterior"]).fields == ("views",)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"PatientGantryRelationshipCodeSequence": [code("F-10480", "feet-first", "SRT")]}, "feet first"),
        ({"PatientPosition": "HFP"}, "prone"),
        ({"PatientPosition": "HFDR"}, "on one side"),
        ({"PatientOrientation": ["L", "H"]}, "head is at the top"),
        ({"PatientOrientation": ["R", "F"]}, "left and right"),
        ({"LossyImageCompression": "01"}, "loss"),
    ],
)
def test_doubtful_positions_are_warned_about_and_nothing_is_turned(tmp_path, header, words):
    scan = read_scan(saved(nm(ANTERIOR, ImageID="ANT", **header), tmp_path / "a.dcm"))
    assert any(words in warning for warning in scan.warnings)
    assert np.array_equal(scan.anterior.counts, ANTERIOR)


def test_further_frames_are_refused(tmp_path):
    lateral = nm(ANTERIOR, POSTERIOR, detectors=[detector("399321004"), detector("399118008", "Left lateral")])
    assert "Left lateral" in refusal(saved(lateral, tmp_path / "a.dcm"))
    assert "3 images" in refusal(saved(nm(ANTERIOR, POSTERIOR, POSTERIOR), tmp_path / "b.dcm"))


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


def test_a_ct_next_to_the_scan_is_left_out_with_a_warning(tmp_path):
    saved(coded_pair(), tmp_path / "s" / "deep" / "wb")
    saved(nm(ANTERIOR, Modality="CT"), tmp_path / "s" / "ct.dcm")
    scan = read_scan(tmp_path / "s")
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    assert "ct.dcm" in scan.warnings[0]


def test_the_real_secondary_capture_is_read_and_its_assumed_side_is_reported():
    store = pytest.importorskip("data_store")
    path = Path(store.__path__[0]) / "data" / "JPEG-LL.dcm"
    assert pydicom.dcmread(path, stop_before_pixels=True).SOPClassUID == SecondaryCaptureImageStorage
    # Nothing in this header names the side, and the format has no field for it.
    assert read_scan(path, views=["posterior"]).anterior is None
    assert not any("assumed to be anterior" in note for note in read_scan(path, views=["anterior"]).warnings)
    scan = read_scan(path)
    assert any("assumed to be anterior" in note for note in scan.warnings)
    assert scan.case == "JPEG-LL"
    assert scan.posterior is None
    assert scan.anterior.shape == (1024, 256)
    assert scan.anterior.spacing == (2.26, 2.26)
    assert scan.anterior.counts.sum(dtype=np.float64) == 3_596_452
    assert scan.anterior.counts.max() == 278
    assert scan.source.description["model"] == "MILLENNIUM MG"


@pytest.mark.parametrize(("turned", "words"), [(slice(None), "one image:"), (slice(None, None, -1), "mirrored:")])
def test_one_picture_as_both_views_is_reported(tmp_path, turned, words):
    copy = np.ascontiguousarray(ANTERIOR[:, turned])
    twice = nm(ANTERIOR, copy, detectors=[detector("399321004"), detector("399001007")])
    (note,) = read_scan(saved(twice, tmp_path / "a.dcm")).warnings
    assert words in note
    assert read_scan(saved(coded_pair(), tmp_path / "b.dcm")).warnings == ()
