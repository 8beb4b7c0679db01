"""Public sets in their own layouts become data sets: counts, sides, pixel sizes, truth, folds, licence and citation."""

from __future__ import annotations

import errno
import json
import shutil

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.boxes import paste
from SpectBoneMetSegTrainingLib.dataset import cases
from SpectBoneMetSegTrainingLib.dataset.cases import LESION, cases_of, load_case, records_of, stored_region
from SpectBoneMetSegTrainingLib.dataset.files import read_image, read_json, write_image
from SpectBoneMetSegTrainingLib.gathering.open_data import views
from SpectBoneMetSegTrainingLib.gathering.open_data.catalogue import SETS, find_set
from SpectBoneMetSegTrainingLib.gathering.open_data.description import read_description
from SpectBoneMetSegTrainingLib.gathering.open_data.import_set import ImportRequest, import_set
from support import open_sets

PATIENTS = (1, 2, 10, 831, 1654, 3216)


def imported(name, folder, data, **options):
    return import_set(ImportRequest(find_set(name), folder, accepted=True, **options), data)


@pytest.fixture(scope="module")
def bs80k(tmp_path_factory):
    return open_sets.write_bs80k(tmp_path_factory.mktemp("bs80k"), PATIENTS, healthy=(2,))


@pytest.fixture(scope="module")
def boxed(bs80k, tmp_path_factory):
    data = tmp_path_factory.mktemp("data") / "d"
    return imported("bs80k", bs80k, data), data


def image(data, case, channel):
    """The counts of a channel in the scan's whole frame."""
    record = read_json(data / "instances" / f"{case}.json")
    stored = read_image(data / "imagesTr" / f"{case}_{channel:04d}.nii.gz")[0]
    return paste(stored, *(tuple(record["crop"][axis]) for axis in ("rows", "columns")), record["frame"]["shape"])


def test_grey_values_become_counts_again_and_both_views_lie_on_each_other(boxed):
    data = boxed[1]
    case = cases_of(data, "train")[0]
    true = open_sets.shifted(int(case.split("_")[1]))
    record = read_json(data / "instances" / f"{case}.json")
    for channel, (view, name) in enumerate((("ANT", "anterior"), ("POST", "posterior"))):
        about = record["greys"][name]
        assert about["told_by"] == "lattice"
        assert about["grey_values_a_count"] == pytest.approx(open_sets.GAINS[view], abs=0.01)
        frame = true[view] if view == "ANT" else true[view][:, ::-1]
        below = frame < 100
        assert np.abs(image(data, case, channel) - frame)[below].max() <= 2
    assert stored_region(data, [case]) == "whole-body"


def test_views_whose_gain_is_unknown_keep_their_grey_values_and_are_counted(bs80k, tmp_path, monkeypatch):
    monkeypatch.setattr(views, "find_gain", lambda grey: None)
    data = tmp_path / "d"
    kept = [note for note in imported("bs80k", bs80k, data).notes if "grey values were kept" in note]
    count = sum(len(record["greys"]) for record in records_of(data))
    assert kept == [
        f"Views whose grey values were kept, because neither gaps nor noise show how many make a count: {count}."
    ]
    monkeypatch.undo()
    assert "grey values were kept" not in " ".join(imported("bs80k", bs80k, tmp_path / "other").notes)


def test_an_abnormal_box_is_a_lesion_on_its_own_side_and_a_normal_one_is_none(boxed):
    data = boxed[1]
    case = next(case for case in cases_of(data, "train") if not case.endswith("_2"))
    record = read_json(data / "instances" / f"{case}.json")
    assert record["benign_areas"] == 2
    assert sorted(str(each["labelled"]) for each in record["lesions"]) == ["{'anterior': True}", "{'posterior': True}"]
    down = int(case.split("_")[1]) % 7
    rows, columns = open_sets.SPOT
    for name in ("anterior", "posterior"):
        marked = read_image(data / "instances" / f"{case}_{name}.nii.gz").any(0)
        assert marked[rows.start + down : rows.stop + down, columns].mean() > 0.8
        # Nothing lies outside of the box.
        marked[rows.start + down - 6 : rows.stop + down + 6, columns.start - 6 : columns.stop + 6] = False
        assert not marked.any()


def test_a_view_without_boxes_has_no_lesion_and_no_file_is_needed_for_that(boxed):
    data = boxed[1]
    [case] = [case for split in ("train", "test") for case in cases_of(data, split) if case.endswith("_2")]
    assert read_json(data / "instances" / f"{case}.json")["lesions"] == []
    assert not any((label == LESION).any() for label in load_case(data, case, region="whole-body").labels.values())


def test_known_faults_are_corrected_and_reported(boxed):
    result, data = boxed
    assert set(result.left_out) == {"1654"}
    assert "no usable skeleton" in result.left_out["1654"]
    assert any("patients: 6 found, 3247 published" in note for note in result.notes)
    # Twins are one patient and are on one side.
    records = [read_json(data / "instances" / f"bs80k_{number}.json") for number in (831, 3216)]
    assert len({record["patient"] for record in records}) == len({record["split"] for record in records}) == 1
    text = (data / "import.txt").read_text()
    assert "left out: 1" in text
    assert "hardly any area" in str(records[0]["notes"])


def test_scans_with_doubtful_sides_are_counted_and_other_notes_with_such_words_are_not(bs80k, tmp_path, monkeypatch):
    from SpectBoneMetSegTrainingLib.gathering.open_data import import_set as module

    monkeypatch.setattr(module, "check_scan", lambda scan, **_: ["A label was exchanged and mirrored."])
    result = imported("bs80k", bs80k, tmp_path / "sound")
    assert not any("sides look doubtful" in note for note in result.notes)
    monkeypatch.setattr(module, "side_warnings", lambda scan: ["The sides differ."] * scan.case.endswith("_10"))
    result = imported("bs80k", bs80k, tmp_path / "doubtful")
    assert "Scans whose views may be mirrored or swapped: 1; their cases name them under notes." in result.notes


def test_an_import_without_usable_scans_gives_the_first_reason_and_leaves_nothing_behind(bs80k, tmp_path, monkeypatch):
    from SpectBoneMetSegTrainingLib.gathering.open_data import import_set as module

    def damaged(path, *_, **__):
        raise UserError(f"{path.name} is damaged; download it again.")

    monkeypatch.setattr(module, "read_view", damaged)
    with pytest.raises(UserError, match=r"could be used; the first of \d patients, \w+: .* is damaged"):
        imported("bs80k", bs80k, tmp_path / "run" / "data", pixel_size_mm=2.26)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_an_import_in_one_sentence_and_with_space_it_continues(bs80k, tmp_path, monkeypatch):
    written = []

    def full(path, *args):
        written.append(path)
        if len(written) > 6:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_image(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(cases, "write_image", full)
        with pytest.raises(UserError, match=r"\(No space left on device\); free space and run the same import again"):
            imported("bs80k", bs80k, tmp_path / "data", pixel_size_mm=2.26)
    whole = {path.stem for path in (tmp_path / "data" / "instances").glob("*.json")}
    assert whole
    assert {path.name.rpartition("_")[0] for path in tmp_path.rglob("images*/*.nii.gz")} == whole
    assert sum(imported("bs80k", bs80k, tmp_path / "data", pixel_size_mm=2.26).cases.values()) == len(PATIENTS) - 1


def test_licence_citation_greys_and_pixel_size_are_in_the_data_set(boxed):
    about = read_json(boxed[1] / "dataset.json")
    [source] = about["sources"]
    assert source["licence"] == "none stated"
    assert "106221" in source["citation"]
    assert about["pixel_size_mm"] == pytest.approx(2.26, rel=0.1)
    assert "estimated from the height" in about["pixel_size_source"]
    assert "check whether you may train" in about["terms_settled_by_importer"]
    assert about["channel_names"] == {"0": "anterior", "1": "posterior mirrored"}


def test_folds_are_fixed_and_an_interrupted_import_continues(boxed, bs80k, tmp_path):
    before = (boxed[1] / "splits.json").read_bytes()
    patients = {
        case: read_json(boxed[1] / "instances" / f"{case}.json")["patient"] for case in cases_of(boxed[1], "train")
    }
    for fold in read_json(boxed[1] / "splits.json")["folds"]:
        assert not {patients[case] for case in fold["train"]} & {patients[case] for case in fold["val"]}

    class StopError(Exception):
        pass

    def stop(done, total):
        if done == 3:
            raise StopError

    request = ImportRequest(find_set("bs80k"), bs80k, accepted=True)
    with pytest.raises(StopError):
        import_set(request, tmp_path / "d", stop)
    import_set(request, tmp_path / "d")
    assert (tmp_path / "d" / "splits.json").read_bytes() == before
    with pytest.raises(UserError, match="other options"):
        import_set(ImportRequest(find_set("bs80k"), bs80k, as_counts=False, accepted=True), tmp_path / "d")


def test_a_set_with_unclear_terms_needs_a_confirmation(bs80k, tmp_path):
    with pytest.raises(UserError, match="no licence") as error:
        import_set(ImportRequest(find_set("bs80k"), bs80k), tmp_path / "d")
    assert error.value.fields == ("accept_terms",)
    assert not (tmp_path / "d").exists()
    asking = {name for name, each in SETS.items() if each.terms}
    assert asking == {"bs80k", "bs80k-hotspots", "bs80k-skeleton", "bs80k-anatomy", "pairs", "nnunet-pairs"}


def test_masks_of_hot_spots_and_skeletons_join_the_scans(bs80k, tmp_path):
    masks = open_sets.write_hotspots(tmp_path / "masks", (1, 2, 10))
    scans = shutil.copytree(bs80k, tmp_path / "scans")
    # The view without a mask is a normal one.
    labels = scans / "temp" / "wholeBodyPOST" / "wholeBodyPOST.txt"
    labels.write_text(labels.read_text().replace("1.jpg\t1", "1.jpg\t0", 1))
    imported("bs80k-hotspots", masks, tmp_path / "d", scans=scans)
    record = read_json(tmp_path / "d" / "instances" / "bs80k-hotspots_1.json")
    # Its posterior view has no mask: nothing is marked there, which differs from not examined.
    assert [each["labelled"] for each in record["lesions"]] == [{"anterior": True}]
    assert record["benign_areas"] == 1
    assert record["patient"] == "bs80k-00001"
    regions = read_image(tmp_path / "d" / "regions" / "bs80k-hotspots_10" / "regions_posterior.nrrd")[0]
    # Seen from behind the patient's right is at the right: left femur 10, right femur 60.
    assert regions[500, 105] == 10
    assert regions[500, 150] == 60
    assert regions[80, 120] == 1
    crop = load_case(tmp_path / "d", "bs80k-hotspots_10", region="whole-body", regions=True)
    assert "forearm and hand" not in crop.regions_named
    assert "femur" in crop.regions_named
    assert set(crop.regions) == {"anterior", "posterior"}


def test_a_mask_that_is_not_the_published_file_is_refused(bs80k, tmp_path):
    masks = open_sets.write_hotspots(tmp_path / "masks", (1, 2))
    path = masks / "hotspot_masks" / "patient_00002" / "study_00001" / "anterior.png"
    open_sets.write_png(path, np.zeros((1024, 256), np.uint8))
    with pytest.raises(UserError, match="not the published file"):
        imported("bs80k-hotspots", masks, tmp_path / "d", scans=bs80k)


def test_masks_need_their_scans_and_compressed_ones_must_be_unpacked(bs80k, tmp_path):
    masks = open_sets.write_hotspots(tmp_path / "masks", (1,))
    with pytest.raises(UserError, match="holds no scans") as error:
        imported("bs80k-hotspots", masks, tmp_path / "d")
    assert error.value.fields == ("scans",)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "hotspot_masks.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match="unpack it"):
        imported("bs80k-hotspots", tmp_path / "packed", tmp_path / "d", scans=bs80k)
    (tmp_path / "packed" / "hotspot_masks.zip").unlink()
    with pytest.raises(UserError, match="holds no file of BS-80K"):
        imported("bs80k", tmp_path / "packed", tmp_path / "e")


def test_half_size_skeletons_are_enlarged_and_a_wrong_order_is_found_out(bs80k, tmp_path):
    masks = open_sets.write_skeleton(tmp_path / "masks", (1, 10), (512, 128))
    imported("bs80k-skeleton", masks, tmp_path / "d", scans=bs80k)
    regions = read_image(tmp_path / "d" / "regions" / "bs80k-skeleton_10" / "regions_anterior.nrrd")[0]
    assert regions.shape == (1024, 256)
    # In the anterior view the patient's right is at the left.
    assert (regions[500, 105], regions[500, 150]) == (60, 10)
    wrong = open_sets.bone_mask(1)
    swapped = np.where(wrong == 1, 12, np.where(wrong == 12, 1, wrong)).astype(np.uint8)
    open_sets.write_png(masks / "dataset" / "masks" / "anterior" / "1.png", swapped)
    result = imported("bs80k-skeleton", masks, tmp_path / "e", scans=bs80k)
    assert "numbered otherwise" in result.left_out["1"]


def test_anatomy_in_coco_is_drawn_as_regions(bs80k, tmp_path):
    masks = open_sets.write_coco(tmp_path / "masks", (1, 10))
    imported("bs80k-anatomy", masks, tmp_path / "d", scans=bs80k)
    regions = read_image(tmp_path / "d" / "regions" / "bs80k-anatomy_1" / "regions_anterior.nrrd")[0]
    assert regions[90, 120] == 1
    assert regions[400, 144] == 6
    assert regions[400, 112] == 56
    assert regions[400, 100] == 0
    assert regions[500, 144] == 10
    # What the outlines do not name is not trained as background.
    record = read_json(tmp_path / "d" / "instances" / "bs80k-anatomy_1.json")
    assert "pelvis" in record["regions_named"]
    assert "forearm and hand" not in record["regions_named"]


def test_without_the_images_of_regions_no_patient_is_put_into_a_test_set(bs80k, tmp_path):
    folder = shutil.copytree(bs80k, tmp_path / "set")
    for path in [path for path in folder.rglob("*") if path.name.lower() in ("chestrant", "headant", "pelvisant")]:
        shutil.rmtree(path)
    result = imported("bs80k", folder, tmp_path / "d")
    assert result.cases["test"] == 0
    assert any("folds of our own" in note for note in result.notes)


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [("base", "nosuch", "no public set 'nosuch'"), ("bones", {"side": {"1": "skull"}}, "bones are given per view")],
)
def test_a_description_that_cannot_be_followed_is_refused_in_a_sentence(field, value, what, bs80k, tmp_path):
    reported = {"name": "mine", "title": "Mine", "home": "here", "citation": "me", "licence": "CC0", "truth": "by me"}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**reported, "files": [{"role": "scan", "pattern": "(?P<patient>.+)"}], field: value}))
    with pytest.raises(UserError, match=what):
        import_set(ImportRequest(read_description(path), bs80k, bs80k), tmp_path / "d")


def test_patients_without_metastases_are_labelled_and_those_with_are_unlabelled(tmp_path):
    folder = open_sets.write_iics(tmp_path / "set", ill=2, well=3)
    result = import_set(ImportRequest(find_set("iics-una"), folder), tmp_path / "d")
    assert result.cases == {"train": 3, "test": 0, "unlabelled": 2}
    assert result.left_out == {}
    case = cases_of(tmp_path / "d", "train")[0]
    record = read_json(tmp_path / "d" / "instances" / f"{case}.json")
    assert record["lesions"] == []
    assert record["diseased"] is False
    assert record["greys"]["anterior"]["told_by"] == "lattice"
    np.testing.assert_array_equal(image(tmp_path / "d", case, 0), open_sets.shifted(4)["ANT"])
    # The first of both classes have the same number and are two patients.
    assert len({read_json(path)["patient"] for path in (tmp_path / "d" / "instances").glob("*.json")}) == 5


def test_whole_bodies_with_a_label_a_view_are_diseased_where_any_view_is(tmp_path):
    result = imported("libs160k", open_sets.write_libs(tmp_path / "set"), tmp_path / "d")
    assert result.cases["unlabelled"] == 2
    assert result.cases["train"] + result.cases["test"] == 1
    assert read_json(tmp_path / "d" / "instances" / "libs160k_2.json")["patient"] == "bs80k-00002"


def test_a_posterior_view_stored_flipped_is_turned_back_and_headers_state_the_pixel_size(tmp_path):
    folder = open_sets.write_pairs(tmp_path / "set", ("a", "b"))
    imported("pairs", folder, tmp_path / "d")
    record = read_json(tmp_path / "d" / "instances" / "pairs_b.json")
    assert record["frame"]["spacing_mm"] == [2.26, 2.26]
    np.testing.assert_array_equal(image(tmp_path / "d", "pairs_b", 1), open_sets.shifted(1)["POST"][:, ::-1])
    rows, columns = open_sets.SPOT
    marked = read_image(tmp_path / "d" / "instances" / "pairs_b_posterior.nii.gz").any(0)
    assert marked[rows.start + 1 : rows.stop + 1, columns].all()
    assert not [note for note in record["notes"] if "mirrored" in note]


def test_the_channels_of_nnunet_folders_are_the_two_views_of_a_patient_with_their_masks(tmp_path):
    folder = open_sets.write_nnunet_pairs(tmp_path / "set", ("BS_1", "BS_2", "BS_3"))
    result = imported("nnunet-pairs", folder, tmp_path / "d")
    assert result.cases == {"train": 2, "test": 0, "unlabelled": 1}
    assert result.left_out == {}
    record = read_json(tmp_path / "d" / "instances" / "nnunet-pairs_BS_2.json")
    assert [each["labelled"] for each in record["lesions"]] == [{"anterior": True}, {"posterior": True}]
    assert record["benign_areas"] == 2
    rows, columns = open_sets.SPOT
    for name in ("anterior", "posterior"):
        marked = read_image(tmp_path / "d" / "instances" / f"nnunet-pairs_BS_2_{name}.nii.gz").any(0)
        assert marked[rows.start + 1 : rows.stop + 1, columns].all()
    regions = read_image(tmp_path / "d" / "regions" / "nnunet-pairs_BS_2" / "regions_posterior.nrrd")[0]
    # Seen from behind the patient's right is at the right: left femur 10, right femur 60.
    assert (regions[500, 105], regions[500, 150]) == (10, 60)


def test_a_description_of_ones_own_reads_another_layout(tmp_path):
    for patient in (3, 4):
        for view, name in (("ANT", "front"), ("POST", "back")):
            open_sets.write_jpeg(
                tmp_path / "mine" / f"{name}-{patient}.jpg", open_sets.grey(open_sets.shifted(patient)[view], 1.5)
            )
            open_sets.write_png(tmp_path / "mine" / f"{name}-{patient}-mask.png", np.zeros((1024, 256), np.uint8))
    files = [
        {"role": role, "pattern": f"{name}-(?P<patient>\\d+){end}", "view": view}
        for name, view in (("front", "anterior"), ("back", "posterior"))
        for role, end in (("scan", "\\.jpg"), ("lesions", "-mask\\.png"))
    ]
    text = {"name": "mine", "title": "Mine", "home": "here", "citation": "me", "licence": "CC0", "truth": "by me",
            "files": files, "lesions": {"1": "lesion"}}  # fmt: skip
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(text))
    result = import_set(ImportRequest(read_description(path), tmp_path / "mine"), tmp_path / "d")
    assert result.cases["train"] == 2
    path.write_text(json.dumps({**text, "lesions": {"1": "maybe"}}))
    with pytest.raises(UserError, match="'maybe'"):
        read_description(path)
    path.write_text(json.dumps({key: value for key, value in text.items() if key != "files"}))
    with pytest.raises(UserError, match="it has no 'files'"):
        read_description(path)
