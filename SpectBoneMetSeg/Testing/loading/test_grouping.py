"""Views stored in separate files are paired, and ambiguous files are not."""

import itertools

import numpy as np
import pydicom
import pytest
from SpectBoneMetSegLib.loading import group_files, read_files, read_scan
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody

SHAPE = (64, 16)
#: Views of one time and series belong together, then of one time, then of one series, then of one study.
STORED_APART = ("single-files", "image-id", "series-description")


def a_scan(seed=1):
    rng = np.random.default_rng(seed)
    counts = [rng.poisson(20, SHAPE).astype(np.float32) for _ in range(2)]
    return WholeBodyScan("case", PlanarView(counts[0], (8, 8), "anterior"), PlanarView(counts[1], (8, 8), "posterior"))


@pytest.fixture
def write(tmp_path):
    """Write a scan; header values may be changed per file."""
    number = itertools.count(1)

    def make(variant="single-files", folder="study", study="study", anterior=None, posterior=None):
        place = tmp_path / folder
        name = place if variant in STORED_APART else place / f"{variant}{next(number)}.dcm"
        files = write_nm_wholebody(name, a_scan(), patient_id="P", uid_text=study, variant=variant)
        for file, header in zip(files, (anterior, posterior), strict=False):
            dataset = pydicom.dcmread(file)
            for keyword, value in (header or {}).items():
                setattr(dataset, keyword, value)
            dataset.save_as(file)
        return list(files)

    return make


@pytest.mark.parametrize("variant", STORED_APART)
def test_a_file_a_view_is_one_scan_in_any_order(write, variant):
    front, behind = write(variant)
    assert group_files([front, behind]) == group_files([behind, front]) == [(front, behind)]
    together, folder = read_files([front, behind]), read_scan(front.parent)
    expected = a_scan()
    for scan in (together, folder):
        assert scan.case == "study"
        for name, view in expected.views.items():
            np.testing.assert_array_equal(scan.views[name].counts, view.counts)
        assert not any("Only the" in warning for warning in scan.warnings)


def test_two_series_of_one_study_are_one_scan(write):
    front, behind = write(posterior={"SeriesInstanceUID": "1.2.3.4", "AcquisitionTime": "122500"})
    assert group_files([front, behind]) == [(front, behind)]
    assert set(read_scan(front.parent).views) == {"anterior", "posterior"}


def test_a_file_with_both_views_stays_separate(write):
    (both,), (front, behind) = write("two-frame"), write()
    assert group_files([front, both, behind]) == [(front, behind), (both,)]


def test_scans_of_two_times_are_kept_apart_by_their_times(write):
    early, late = write(folder="a"), write(folder="b")
    for file in late:
        dataset = pydicom.dcmread(file)
        dataset.AcquisitionTime = "150000"
        dataset.save_as(file)
    assert group_files([early[0], late[0], late[1], early[1]]) == [tuple(early), tuple(late)]


def test_what_could_belong_to_two_scans_stays_separate(write):
    (front, behind), (other, _) = write(folder="a"), write(folder="b")
    assert group_files([front, other, behind]) == [(front,), (other,), (behind,)]


@pytest.mark.parametrize(
    "header",
    [
        {"StudyInstanceUID": "1.2.3.9"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]},
        {"AcquisitionDate": "20240102"},
        {"PatientID": "Another"},
    ],
)
def test_views_of_different_studies_kinds_days_or_patients_stay_separate(write, header):
    front, behind = write(posterior=header)
    assert group_files([front, behind]) == [(front,), (behind,)]


def test_two_views_of_one_side_stay_separate(write):
    first, second = write(folder="a")[0], write(folder="b")[0]
    assert group_files([first, second]) == [(first,), (second,)]


def test_unreadable_and_wide_files_stay_separate(write, tmp_path):
    (wide,), (front, behind) = write("side-by-side"), write()
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"nothing")
    assert group_files([wide, broken, front, behind]) == [(wide,), (broken,), (front, behind)]
