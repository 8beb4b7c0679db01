"""Simulated scans written as DICOM come back as they were."""

import hashlib
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from SpectBoneMetSegLib.planar import PlanarView, WholeBodyScan
from SpectBoneMetSegLib.reading import read_scan
from SpectBoneMetSegTrainingLib.phantom.dicom_nm import VARIANTS, deterministic_uid, write_nm_wholebody


def simulated(spacing=(2.26, 2.26)):
    rng = np.random.default_rng(3)
    return WholeBodyScan(
        "simulated",
        PlanarView(rng.poisson(8, (48, 12)), spacing, "anterior"),
        PlanarView(rng.poisson(9, (48, 12)), spacing, "posterior"),
    )


def written(folder, variant, scan=None):
    path = folder if variant in ("single-files", "image-id") else folder / "scan.dcm"
    files = write_nm_wholebody(path, scan or simulated(), patient_id="S007", uid_text="seed 5", variant=variant)
    return path, files


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_read_back_exactly(tmp_path, variant):
    path, files = written(tmp_path / variant, variant)
    scan, original = read_scan(path), simulated()
    only = {"anterior-only": ["anterior"], "posterior-only": ["posterior"]}.get(variant, ["anterior", "posterior"])
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
        ds = pydicom.dcmread(file)
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


def test_compressed_files_are_compressed(tmp_path):
    ds = pydicom.dcmread(written(tmp_path, "rle")[1][0])
    assert ds.file_meta.TransferSyntaxUID == pydicom.uid.RLELossless


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
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_validator_finds_no_error(tmp_path, variant):
    for file in written(tmp_path, variant)[1]:
        said = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
        assert "NMImage" in said.stdout + said.stderr
        assert "Error" not in said.stdout + said.stderr
