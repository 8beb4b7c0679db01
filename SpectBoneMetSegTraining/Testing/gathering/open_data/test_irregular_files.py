"""Files that are doubtful, missing or left over are named in the report, with what is to be done."""

from __future__ import annotations

import shutil

import pytest
from SpectBoneMetSegTrainingLib.dataset.files import read_json
from SpectBoneMetSegTrainingLib.gathering.open_data.catalogue import find_set
from SpectBoneMetSegTrainingLib.gathering.open_data.import_set import ImportRequest, import_set
from support import open_sets


def imported(name, folder, data, **options):
    return import_set(ImportRequest(find_set(name), folder, accepted=True, pixel_size_mm=2.26, **options), data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return open_sets.write_bs80k(tmp_path_factory.mktemp("bs80k"), (1, 2, 10, 11, 12, 13))


@pytest.fixture
def bs80k(written, tmp_path):
    return shutil.copytree(written, tmp_path / "bs80k")


def add_bytes(path):
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"\x12\x34\x56" + content[-2:])


def doubtful(result):
    return [note for note in result.notes if "it may be damaged" in note]


def test_a_picture_that_may_be_damaged_is_named_in_its_case_and_in_the_report_of_every_call(bs80k, tmp_path):
    add_bytes(bs80k / "temp" / "wholeBodyANT" / "1.jpg")
    for _ in range(2):
        [note] = doubtful(imported("bs80k", bs80k, tmp_path / "d"))
        assert note.startswith("wholeBodyANT/1.jpg has bytes that belong to no picture")
        assert note in (tmp_path / "d" / "import.txt").read_text()
    cases = {path.stem: read_json(path)["files_in_doubt"] for path in (tmp_path / "d" / "instances").glob("*.json")}
    # What holds for every picture of the set is no doubt of one.
    assert {case for case, doubts in cases.items() if doubts} == {"bs80k_1"}


def test_of_many_doubtful_pictures_the_first_are_named_and_the_others_counted(bs80k, tmp_path):
    for path in (bs80k / "temp" / "wholeBodyANT").glob("*.jpg"):
        add_bytes(path)
    result = imported("bs80k", bs80k, tmp_path / "d")
    assert len(doubtful(result)) == 5
    assert "1 more sentence of this kind: see files_in_doubt in the cases." in result.notes


@pytest.mark.parametrize("kind", ["Image_P", "Tumor"])
def test_the_missing_file_of_the_pixels_is_named_and_nothing_else_is_printed(kind, tmp_path, capfd):
    folder = open_sets.write_pairs(tmp_path / "set", ("a", "b"))
    missing = folder / kind / "b.raw"
    missing.unlink()
    result = imported("pairs", folder, tmp_path / "d")
    assert result.left_out == {"b": f"{missing} is missing, which holds the pixels of b.mhd; download it again."}
    assert capfd.readouterr() == ("", "")


def test_pixels_that_are_cut_short_are_not_called_missing(tmp_path, capfd):
    folder = open_sets.write_pairs(tmp_path / "set", ("a", "b"))
    pixels = folder / "Image" / "b.raw"
    pixels.write_bytes(pixels.read_bytes()[:1000])
    left_out = imported("pairs", folder, tmp_path / "d").left_out
    assert left_out == {"b": f"{pixels.with_suffix('.mhd')} is cut short or damaged; download it again."}
    assert capfd.readouterr() == ("", "")


def test_masks_without_a_scan_are_counted_by_kind(bs80k, tmp_path):
    masks = open_sets.write_hotspots(tmp_path / "masks", (2, 9999))
    for path in bs80k.rglob("wholeBody*.txt"):
        path.unlink()
    notes = imported("bs80k-hotspots", masks, tmp_path / "d", scans=bs80k).notes
    places = {kind: masks / f"{kind}_masks" / "patient_09999" / "study_00001" for kind in ("hotspot", "skeleton")}
    first = places["hotspot"] / "anterior.png"
    assert f"2 files of the kind lesions without a scan, not used; the first is {first}." in notes
    first = places["skeleton"] / "anterior.png"
    assert f"2 files of the kind bones without a scan, not used; the first is {first}." in notes


def test_outlines_without_a_scan_are_counted(bs80k, tmp_path):
    masks = open_sets.write_coco(tmp_path / "masks", (1, 9999))
    notes = imported("bs80k-anatomy", masks, tmp_path / "d", scans=bs80k).notes
    assert "Outlines of 2 views without a scan, not used; the first is 9999, anterior." in notes


def test_a_picture_with_another_name_than_those_beside_is_named(tmp_path):
    folder = open_sets.write_libs(tmp_path / "set")
    stray = folder / "wholeANT" / "Normal" / "1(1).jpg"
    notes = imported("libs160k", folder, tmp_path / "d").notes
    assert f"1 file named otherwise than those beside, and not used; the first is {stray}." in notes


def test_a_whole_set_has_no_notes_on_irregular_files(bs80k, tmp_path):
    pairs = imported("pairs", open_sets.write_pairs(tmp_path / "set", ("a", "b")), tmp_path / "d")
    scans = imported("bs80k", bs80k, tmp_path / "e")
    assert not [note for note in (*pairs.notes, *scans.notes) if "not used" in note or "damaged" in note]
