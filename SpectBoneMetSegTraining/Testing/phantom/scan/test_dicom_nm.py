"""Simulated scans written as DICOM are read back unchanged."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.scan.bodies import find_bodies
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, PlanarView, WholeBodyScan
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import (
    FOLDER_VARIANTS,
    VARIANTS,
    deterministic_uid,
    draw_variant,
    write_nm_wholebody,
)

ONE_VIEW = {
    "anterior-only": ["anterior"],
    "capture-anterior": ["anterior"],
    "posterior-only": ["posterior"],
    "capture-posterior": ["posterior"],
}


def simulated(spacing=(2.26, 2.26)):
    rng = np.random.default_rng(3)
    return WholeBodyScan(
        "simulated",
        PlanarView(rng.poisson(8, (128, 32)), spacing, "anterior"),
        PlanarView(rng.poisson(9, (128, 32)), spacing, "posterior"),
    )


def written(folder, variant, scan=None):
    path = folder if variant in FOLDER_VARIANTS else folder / "scan.dcm"
    files = write_nm_wholebody(path, scan or simulated(), patient_id="S007", uid_text="seed 5", variant=variant)
    return path, files


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_read_back_exactly(tmp_path, variant):
    path, files = written(tmp_path / variant, variant)
    scan, original = read_scan(path), simulated()
    only = ONE_VIEW.get(variant, ["anterior", "posterior"])
    assert list(scan.views) == only
    for name in only:
        assert np.array_equal(scan.views[name].counts, original.views[name].counts)
        assert scan.views[name].spacing == (2.26, 2.26)
        assert scan.views[name].origin == original.views[name].origin
    assert scan.source.files == tuple(map(str, files))
    assert scan.source.sha256 == tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    assert scan.source.description["manufacturer"] == "SpectBoneMetSeg simulated"
    assert all("mirrored" not in warning for warning in scan.warnings)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_arguments_give_the_same_bytes(tmp_path, variant):
    one, other = written(tmp_path / "1", variant)[1], written(tmp_path / "2", variant)[1]
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in other]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_file_says_that_it_is_simulated(tmp_path, variant):
    for file in written(tmp_path, variant)[1]:
        ds = pydicom.dcmread(file, force=variant == "no-preamble")
        assert str(ds.PatientName) == "SIMULATED^S007"
        assert "imulated" in ds.SeriesDescription
        assert "simulated" in ds.ImageComments
        assert "simulated" in ds.Manufacturer


def test_files_of_one_study_share_it_and_other_texts_give_other_uids(tmp_path):
    one, two = (pydicom.dcmread(file) for file in written(tmp_path, "single-files")[1])
    assert one.StudyInstanceUID == two.StudyInstanceUID
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert deterministic_uid("a") != deterministic_uid("b")
    assert deterministic_uid("a").startswith("2.25.")
    assert deterministic_uid("a").is_valid


@pytest.mark.parametrize(
    ("variant", "syntax"),
    [
        ("two-frame", pydicom.uid.ExplicitVRLittleEndian),
        ("rle", pydicom.uid.RLELossless),
        ("jpeg-lossless", pydicom.uid.JPEGLosslessSV1),
        ("jpeg2000", pydicom.uid.JPEG2000Lossless),
        ("implicit-vr", pydicom.uid.ImplicitVRLittleEndian),
        ("big-endian", pydicom.uid.ExplicitVRBigEndian),
        ("deflated", pydicom.uid.DeflatedExplicitVRLittleEndian),
    ],
)
def test_files_are_encoded_as_their_variant_says(tmp_path, variant, syntax):
    assert pydicom.dcmread(written(tmp_path, variant)[1][0]).file_meta.TransferSyntaxUID == syntax


def test_a_file_without_preamble_has_none(tmp_path):
    with pytest.raises(pydicom.errors.InvalidDicomError):
        pydicom.dcmread(written(tmp_path, "no-preamble")[1][0])


def test_captures_are_eight_bit_secondary_captures(tmp_path):
    for variant in ("captures", "capture-side-by-side", "capture-anterior", "capture-posterior"):
        for file in written(tmp_path / variant, variant)[1]:
            ds = pydicom.dcmread(file)
            assert (ds.SOPClassUID, ds.BitsStored) == (pydicom.uid.SecondaryCaptureImageStorage, 8)
            assert "DetectorInformationSequence" not in ds


def test_signed_and_rescaled_numbers_are_stored_so(tmp_path):
    signed = pydicom.dcmread(written(tmp_path / "1", "signed")[1][0])
    rescaled = pydicom.dcmread(written(tmp_path / "2", "rescaled")[1][0])
    assert signed.PixelRepresentation == 1
    assert rescaled.RescaleSlope == 0.5
    assert np.array_equal(rescaled.pixel_array[0], 2 * simulated().anterior.counts)


@pytest.mark.parametrize(("variant", "most"), [("captures", 255), ("signed", 32767), ("rescaled", 32767)])
def test_counts_beyond_a_variants_range_are_refused_and_nothing_is_written(tmp_path, variant, most):
    scan = simulated()
    counts = scan.posterior.counts.copy()
    counts[5, 5] = most
    fits = WholeBodyScan("x", scan.anterior, scan.posterior.with_counts(counts))
    path, _ = written(tmp_path / "fits", variant, fits)
    assert np.array_equal(read_scan(path).posterior.counts, counts)
    counts = counts.copy()
    counts[5, 5] = most + 1
    with pytest.raises(ValueError, match="do not fit"):
        written(tmp_path / "not", variant, WholeBodyScan("x", scan.anterior, scan.posterior.with_counts(counts)))
    assert not (tmp_path / "not").exists()


def test_the_header_states_how_long_and_how_fast_the_table_moved(tmp_path):
    counts = simulated().anterior.counts.copy()
    counts[:28] = 0
    scan = WholeBodyScan("x", PlanarView(counts, (2.0, 2.0), "anterior"), None)
    (file,) = write_nm_wholebody(
        tmp_path / "a.dcm", scan, patient_id="S", uid_text="u", variant="anterior-only", seconds=80.0
    )
    ds = pydicom.dcmread(file)
    assert ds.ActualFrameDuration == 80000
    assert ds.ScanLength == 200
    assert float(ds.ScanVelocity) == pytest.approx(2.5)


def test_makers_differ_in_their_headers_but_not_in_the_counts(tmp_path):
    models, windows = set(), set()
    for number in range(30):
        (file,) = write_nm_wholebody(tmp_path / f"{number}.dcm", simulated(), patient_id="S", uid_text=f"u{number}")
        ds = pydicom.dcmread(file)
        limits = ds.EnergyWindowInformationSequence[0].EnergyWindowRangeSequence[0]
        assert 0.145 < (limits.EnergyWindowUpperLimit - limits.EnergyWindowLowerLimit) / 140.5 < 0.205
        models.add(ds.ManufacturerModelName)
        windows.add(float(limits.EnergyWindowLowerLimit))
        assert ds.Manufacturer == "SpectBoneMetSeg simulated"
        assert np.array_equal(read_scan(file).anterior.counts, simulated().anterior.counts)
    assert len(models) > 2
    assert len(windows) > 2


def test_drawn_variants_suit_the_views_and_every_variant_is_drawn(tmp_path):
    rng, both = np.random.default_rng(0), simulated()
    lone = [WholeBodyScan("x", both.anterior, None), WholeBodyScan("x", None, both.posterior)]
    drawn = set()
    for scan in (both, *lone):
        for capture in (False, True):
            for variant in {draw_variant(rng, scan, capture=capture) for _ in range(1000 if scan is both else 5)}:
                path, _ = written(tmp_path / f"{len(drawn)}", variant, scan)
                assert list(read_scan(path).views) == list(scan.views)
                assert variant.startswith("capture") == capture
                drawn.add(variant)
    assert drawn == set(VARIANTS)


#: 34 columns of 96 rows: more than two fifths would be taken for two views side by side.
@given(
    st.sampled_from([variant for variant in VARIANTS if variant not in ONE_VIEW]),
    hnp.arrays(np.uint8, (2, 96, 34), elements=st.integers(0, 255), fill=st.just(1)),
)
@settings(max_examples=60, deadline=None)
def test_any_counts_come_back_as_they_were(variant, counts):
    # Random counts can look like two bodies side by side, which are refused.
    assume(all(len(find_bodies(image)) <= 1 for image in counts))
    scan = WholeBodyScan(
        "x", *(PlanarView(image, (2.4, 2.4), side) for image, side in zip(counts, VIEW_NAMES, strict=True))
    )
    with tempfile.TemporaryDirectory() as folder:
        again = read_scan(written(Path(folder) / "x", variant, scan)[0])
    for name, image in zip(VIEW_NAMES, counts, strict=True):
        assert np.array_equal(again.views[name].counts, image)


def test_odd_pixel_sizes_survive_the_decimal_string(tmp_path):
    path, _ = written(tmp_path, "two-frame", simulated((2.397654321987654, 2.21)))
    assert read_scan(path).anterior.spacing == pytest.approx((2.397654321987654, 2.21), abs=1e-9)


@pytest.mark.parametrize("bad", [-1.0, 0.5, 70000.0])
def test_counts_that_do_not_fit_are_refused(tmp_path, bad):
    counts = np.ones((8, 4))
    counts[2, 2] = bad
    scan = WholeBodyScan("x", PlanarView(counts, (2.0, 2.0), "anterior"), None)
    with pytest.raises(ValueError, match="whole numbers"):
        written(tmp_path, "anterior-only", scan)


def test_missing_or_unequal_views_are_refused(tmp_path):
    scan = simulated()
    with pytest.raises(ValueError, match="no posterior"):
        written(tmp_path, "two-frame", WholeBodyScan("x", scan.anterior, None))
    small = PlanarView(np.ones((8, 4)), (2.0, 2.0), "posterior")
    with pytest.raises(ValueError, match="same shape"):
        written(tmp_path, "two-frame", WholeBodyScan("x", scan.anterior, small))
    with pytest.raises(ValueError, match="variant"):
        written(tmp_path, "upside-down")


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
# The validator cannot read deflated files.
@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if variant != "deflated"])
def test_the_validator_finds_no_error(tmp_path, variant):
    for file in written(tmp_path, variant)[1]:
        output = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
        assert ("SCImage" if variant.startswith("capture") else "NMImage") in output.stdout + output.stderr
        assert "Error" not in output.stdout + output.stderr
