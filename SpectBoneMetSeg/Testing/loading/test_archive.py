"""Archive folders: whole-body scans are found at any depth, everything else is listed."""

import pydicom
import pytest
from PIL import Image
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.loading.archive import find_scans

BOTH = ("anterior", "posterior")


@pytest.fixture
def put(tmp_path, person, nm_file):
    """Writes a scan of both views into a study of the archive; further header values as keywords."""

    def write(name, frames=None, views=BOTH, **header):
        return nm_file(tmp_path / "in" / name, list(frames or person), views, **header)

    return write


def named(archive):
    """The names of the files of each scan."""
    return [[path.name for path in scan.files] for scan in archive.scans]


def test_scans_are_found_at_any_depth_and_grouped_by_study(put, tmp_path):
    put("PAT1/STU1/SER1/IM0001")
    put("PAT1/STU2/SER1/IM0001", StudyInstanceUID="1.2.4")
    put("DICOM/A/B/C/IM7", StudyInstanceUID="1.2.5")
    (tmp_path / "in" / "DICOMDIR").write_bytes(b"x" * 300)
    archive = find_scans(tmp_path / "in")
    assert sorted(scan.study_uid for scan in archive.scans) == ["1.2.3", "1.2.4", "1.2.5"]
    assert archive.left_out == []
    with pytest.raises(UserError, match="3 studies"):
        read_scan(tmp_path / "in")


def test_what_lies_next_to_a_scan_is_left_out_by_its_full_path(put, person, tmp_path):
    put("s/scan")
    kinds = {
        "ct": {"Modality": "CT"},
        "spect": {"ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]},
        "raw": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66", "Rows": None, "PixelData": None},
        "screen": {"SOPClassUID": SecondaryCaptureImageStorage},
        "colour": {"SOPClassUID": SecondaryCaptureImageStorage, "SamplesPerPixel": 3},
        "spot": {"ImageType": ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"], "PixelSpacing": [1.0, 1.0]},
    }
    for name, header in kinds.items():
        put(f"s/{name}", **header)
    Image.fromarray(person[0]).save(tmp_path / "in" / "s" / "stray.png")
    (tmp_path / "in" / "s" / "picture.bmp").write_bytes(b"BM")
    scan = read_scan(tmp_path / "in")
    assert scan.source.files == (str(tmp_path / "in" / "s" / "scan"),)
    for name in (*kinds, "stray.png", "picture.bmp"):
        assert any(str(tmp_path / "in" / "s" / name) in note for note in scan.warnings), name


@pytest.mark.parametrize("output", [".", "in", "in/s", "elsewhere"])
def test_a_study_is_found_wherever_around_it_the_results_go(put, tmp_path, output):
    put("s/scan")
    assert named(find_scans(tmp_path / "in" / "s", tmp_path / output)) == [["scan"]]


def test_results_below_the_searched_folder_are_not_searched(put, tmp_path):
    put("s/scan")
    put("results/scan", StudyInstanceUID="1.2.4")
    assert [scan.study_uid for scan in find_scans(tmp_path / "in", tmp_path / "in" / "results").scans] == ["1.2.3"]


def test_a_thousand_slices_are_one_sentence(put, tmp_path):
    put("s/scan")
    for number in range(12):
        put(f"s/ct{number:02}", Modality="CT")
    notes = read_scan(tmp_path / "in").warnings
    assert notes == (f"Left out: 12 files (modality CT), the first of them {tmp_path / 'in' / 's' / 'ct00'}.",)


def test_acquired_images_come_before_processed_ones(put, tmp_path):
    put("s/a", ImageType=["DERIVED", "PRIMARY", "WHOLE BODY", "EMISSION"], SeriesNumber=9)
    put("s/b", SeriesNumber=1)
    scan = read_scan(tmp_path / "in")
    assert [path[-1] for path in scan.source.files] == ["b"]
    assert any("processed" in note and str(tmp_path / "in" / "s" / "a") in note for note in scan.warnings)


def test_the_photopeak_comes_before_the_scatter_window(put, tmp_path):
    def window(low, high):
        part, item = pydicom.Dataset(), pydicom.Dataset()
        part.EnergyWindowLowerLimit, part.EnergyWindowUpperLimit = low, high
        item.EnergyWindowRangeSequence = [part]
        return [item]

    put("s/scatter", EnergyWindowInformationSequence=window(100, 120), AcquisitionTime="101600")
    put("s/peak", EnergyWindowInformationSequence=window(126, 154))
    scan = read_scan(tmp_path / "in")
    assert scan.source.files[0].endswith("peak")
    assert any("photopeak" in note and "scatter" in note for note in scan.warnings)


def test_of_repeated_scans_the_latest_is_read_and_both_are_reported(put, tmp_path):
    put("s/first", AcquisitionTime="101500")
    put("s/again", AcquisitionTime="104500.123")
    scan = read_scan(tmp_path / "in")
    assert scan.source.files[0].endswith("again")
    assert any("repeated" in note and "first" in note for note in scan.warnings)


@pytest.mark.parametrize("later", [{"AcquisitionTime": "140000"}, {"AcquisitionDate": "20240103"}])
def test_phases_and_days_of_one_study_are_scans_of_their_own(put, tmp_path, later):
    put("s/early")
    put("s/late", **later)
    assert named(find_scans(tmp_path / "in")) == [["early"], ["late"]]
    with pytest.raises(UserError, match="2 whole-body scans"):
        read_scan(tmp_path / "in")


def test_views_in_files_of_their_own_are_one_scan_also_when_repeated(put, person, tmp_path):
    for number, time in enumerate(("101500", "103500")):
        put(f"s/front{number}", [person[0]], ("anterior",), AcquisitionTime=time)
        put(f"s/behind{number}", [person[1]], ("posterior",), AcquisitionTime=time)
    assert named(find_scans(tmp_path / "in")) == [["behind1", "front1"]]


def test_one_object_counts_once_and_the_copy_that_can_be_read_is_read(put, tmp_path):
    whole = put("s/b")
    copy = tmp_path / "in" / "s" / "a"
    broken = pydicom.dcmread(whole)
    broken.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.51"
    broken.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xdb" + bytes(600)] * 2)
    broken["PixelData"].VR, broken["PixelData"].is_undefined_length = "OB", True
    broken.save_as(copy)
    scan = read_scan(tmp_path / "in")
    assert scan.source.files == (str(whole),)
    copy.write_bytes(whole.read_bytes())
    scan = read_scan(tmp_path / "in")
    assert scan.source.files == (str(copy),)
    assert scan.warnings == (f"Left out: {whole} (a copy of {copy}).",)


def test_views_with_one_careless_uid_are_no_copies(put, person, tmp_path):
    uid = generate_uid()
    put("s/a", [person[0]], ("anterior",), SOPInstanceUID=uid)
    put("s/b", [person[1]], ("posterior",), SOPInstanceUID=uid)
    assert len(read_scan(tmp_path / "in").views) == 2


@pytest.mark.parametrize("study", ["1.2.3", ""])
@pytest.mark.parametrize("copied", [True, False])
@pytest.mark.parametrize("keyword", ["PatientID", "PatientName"])
def test_patients_who_share_a_careless_uid_or_lack_one_are_all_found(put, tmp_path, keyword, copied, study):
    uids = [generate_uid()] * 2 if copied else [generate_uid(), generate_uid()]
    for name, uid in zip("ab", uids, strict=True):
        put(name, StudyInstanceUID=study, SOPInstanceUID=uid, **({"PatientID": ""} | {keyword: f"patient {name}"}))
    assert named(find_scans(tmp_path / "in")) == [["a"], ["b"]]


def test_views_of_two_patients_are_never_one_scan(put, person, tmp_path):
    put("s/front", [person[0]], ("anterior",), PatientID="A")
    put("s/behind", [person[1]], ("posterior",), PatientID="B")
    with pytest.raises(UserError, match="2 whole-body scans"):
        read_scan(tmp_path / "in")


def test_a_damaged_file_next_to_a_scan_is_named_and_alone_is_the_failure(put, tmp_path):
    put("s/scan")
    (tmp_path / "in" / "s" / "cut.dcm").write_bytes(b"")
    assert any(str(tmp_path / "in" / "s" / "cut.dcm") in note for note in read_scan(tmp_path / "in").warnings)
    (tmp_path / "in" / "s" / "scan").unlink()
    with pytest.raises(UserError, match=r"cut\.dcm"):
        read_scan(tmp_path / "in")
