"""A scan whose views arrive one after the other stays one case of one patient in one split."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from SpectBoneMetSegLib.export.volumes import write_volume
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegTrainingLib.dataset.cases import records_of
from SpectBoneMetSegTrainingLib.dataset.files import read_json
from SpectBoneMetSegTrainingLib.gathering.discovery.studies import find
from SpectBoneMetSegTrainingLib.gathering.gather import gather, sources_of
from SpectBoneMetSegTrainingLib.gathering.known_scans import cases_with_files
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody

BOTH = ("ANT", "POST")


@pytest.fixture(scope="module")
def files(patient, tmp_path_factory):
    """A file per view of three patients, of whom the first has no ID."""
    folder = tmp_path_factory.mktemp("files")
    for number, who in enumerate(("", "ID-Huber", "ID-Lopez")):
        write_nm_wholebody(
            folder / str(number), patient.scan, patient_id=who, uid_text=f"scan{number}", variant="single-files"
        )
    return folder


@pytest.fixture
def tree(files, tmp_path):
    for name in ("labelled", "unlabelled"):
        (tmp_path / name).mkdir()
    return SimpleNamespace(
        files=files, labelled=tmp_path / "labelled", unlabelled=tmp_path / "unlabelled", data=tmp_path / "data"
    )


def add(tree, number, *views, labelled=True, folder=None):
    """Put files of a scan, and with labels a lesion of the anterior view, into a folder of its own."""
    target = (tree.labelled if labelled else tree.unlabelled) / (folder or str(number))
    target.mkdir(parents=True, exist_ok=True)
    for view in views:
        shutil.copy(tree.files / str(number) / f"{view}.dcm", target)
    if labelled:
        view = next(iter(read_scan(target / f"{views[0]}.dcm").views.values()))
        mask = np.zeros(view.shape, np.uint8)
        mask[len(mask) // 3 :][:5, view.shape[1] // 2 :][:, :5] = 1
        write_volume(mask, view.ijk_to_ras, str(target / f"anna_{views[0]}.nrrd"))


def run(tree, **options):
    rows = gather(tree.data, find([tree.labelled], [tree.unlabelled]), **options).rows
    # A file that has a case in the data set is in no other.
    held = [name for record in records_of(tree.data) for name in record["files"]]
    assert len(held) == len(set(held))
    return {row.source.split("/")[-2]: row for row in rows}


def records(tree):
    return {record["case"]: record for record in records_of(tree.data)}


def placed(folds):
    return [{part: sorted(names) for part, names in fold.items()} for fold in folds]


def test_a_second_view_replaces_the_case_and_keeps_its_name_patient_and_fold(tree):
    for number in range(3):
        add(tree, number, "ANT")
    first = run(tree)
    folds = read_json(tree.data / "splits.json")
    for number in (0, 1):
        add(tree, number, *BOTH)
    second = run(tree)
    assert [(second[name].outcome, second[name].views) for name in "012"] == [
        ("changed", "anterior and posterior"),
        ("changed", "anterior and posterior"),
        ("as before", "anterior"),
    ]
    for name in "012":
        assert (second[name].case, second[name].patient) == (first[name].case, first[name].patient)
        assert ("It replaces 1 scan of the data set" in second[name].notes) == (name != "2")
    assert read_json(tree.data / "splits.json") == folds
    assert [len(record["views"]) for record in records(tree).values()].count(2) == 2
    assert (tree.data / "imagesTr" / f"{first['0'].case}_0001.nii.gz").exists()
    assert {row.outcome for row in run(tree).values()} == {"as before"}


def test_a_scan_without_a_lesion_gets_its_second_view_though_no_label_changed(tree):
    add(tree, 1, "ANT")
    target = tree.labelled / "1"
    (target / "anna_ANT.nrrd").unlink()
    view = read_scan(target / "ANT.dcm").anterior
    write_volume(np.zeros(view.shape, np.uint8), view.ijk_to_ras, str(target / "anna.nrrd"))
    case = run(tree)["1"].case
    shutil.copy(tree.files / "1" / "POST.dcm", target)
    assert run(tree)["1"].outcome == "changed"
    assert records(tree)[case]["views"] == ["anterior", "posterior"]


def test_a_patient_of_the_test_stays_one(tree):
    for number in (1, 2):
        add(tree, number, "ANT")
    first = run(tree, test_share=0.5)
    for number in (1, 2):
        add(tree, number, *BOTH)
    splits = {case: record["split"] for case, record in records(tree).items()}
    assert sorted(splits.values()) == ["test", "train"]
    second = run(tree)
    assert {row.case for row in second.values()} == {row.case for row in first.values()}
    assert {case: record["split"] for case, record in records(tree).items()} == splits


def test_two_cases_become_one_when_their_views_are_put_into_one_folder(tree):
    add(tree, 2, "ANT")
    cases = [run(tree)["2"].case]
    for view in BOTH:
        add(tree, 0, view, folder=view)
        cases.append(run(tree)[view].case)
        shutil.rmtree(tree.labelled / view)
    assert set(records(tree)) == set(cases)
    assert len(set(cases)) == 3
    add(tree, 0, *BOTH)
    joined = run(tree)["0"]
    assert "It replaces 2 scans of the data set" in joined.notes
    assert joined.case in cases[1:]
    assert set(records(tree)) == {joined.case, cases[0]}
    assert set(sources_of(tree.data)) == set(records(tree))
    for fold in read_json(tree.data / "splits_final.json"):
        assert {*fold["train"], *fold["val"]} == set(records(tree))


def test_a_part_of_a_gathered_scan_is_left_out_with_a_remedy(tree):
    add(tree, 1, *BOTH)
    case = run(tree)["1"].case
    shutil.rmtree(tree.labelled / "1")
    add(tree, 1, "ANT", folder="part")
    row = run(tree)["part"]
    assert row.outcome == "left out"
    assert "part of another scan; put all files of one scan into one folder" in row.reason
    assert list(records(tree)) == [case]


def test_an_unlabelled_scan_gets_its_second_view_and_then_its_label(tree):
    add(tree, 2, "ANT")
    add(tree, 0, "ANT", labelled=False)
    first = run(tree)["0"]
    add(tree, 0, "POST", labelled=False)
    second = run(tree)["0"]
    assert (first.outcome, second.outcome) == ("new", "changed")
    assert "It replaces 1 scan" in second.notes
    (tree.unlabelled / "0" / "POST.dcm").unlink()
    assert "part of another scan" in run(tree)["0"].reason
    shutil.rmtree(tree.unlabelled / "0")
    # The label outweighs the view that nobody labelled.
    add(tree, 0, "ANT", folder="labelled now")
    third = run(tree)["labelled now"]
    assert {(row.case, row.patient) for row in (first, second, third)} == {(first.case, first.patient)}
    assert not list((tree.data / "imagesUnlabelled").iterdir())
    shutil.rmtree(tree.labelled / "labelled now")
    add(tree, 0, *BOTH, labelled=False)
    assert run(tree)["0"].reason == "It is in the data set with labels."


def test_a_scan_takes_the_name_of_the_case_of_its_own_files_then_of_one_in_training():
    made = {
        "held out": {"files": ["a"], "split": "test", "lesions": []},
        "unlabelled": {"files": ["c"], "split": "unlabelled"},
        "trained on": {"files": ["b"], "split": "train", "lesions": []},
        "another": {"files": ["d"], "split": "train", "lesions": []},
    }
    known = cases_with_files(["a", "b", "c"], made, labelled=True)
    assert (known.replaced, known.kept) == (("trained on", "held out", "unlabelled"), ())
    made["the same"] = {"files": ["a", "b", "c"], "split": "unlabelled"}
    assert cases_with_files(["c", "b", "a"], made, labelled=True).replaced[0] == "the same"
    known = cases_with_files(["a", "b", "c"], made, labelled=False)
    assert known.replaced == ("the same", "unlabelled")
    assert known.kept == ("trained on", "held out")
