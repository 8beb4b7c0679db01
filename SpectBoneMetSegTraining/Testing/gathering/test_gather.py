"""Scans and labels from folders become a data set the trainer reads: pseudonymous, resumable, and it may grow."""

import csv
import errno
import gzip
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import exclusive_access
from SpectBoneMetSegLib.export.volumes import write_volume
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.scan.boxes import cut
from SpectBoneMetSegTrainingLib.dataset import cases
from SpectBoneMetSegTrainingLib.dataset.cases import cases_of, load_case
from SpectBoneMetSegTrainingLib.dataset.files import read_image, read_json, write_image
from SpectBoneMetSegTrainingLib.gathering.discovery.pseudonyms import Pseudonyms
from SpectBoneMetSegTrainingLib.gathering.discovery.studies import find
from SpectBoneMetSegTrainingLib.gathering.gather import gather, private_folder, sources_of
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody


@pytest.fixture(scope="module")
def cohort(patient):
    """Five scans of four patients (the last comes twice): one simulated scan, moved down the field by some rows."""
    found = []
    for number, who in enumerate(["ID-Meier", "ID-Huber", "ID-Lopez", "ID-Okoro", "ID-Okoro"]):
        views = {
            name: view.with_counts(np.roll(view.counts, 2 * number, axis=0))
            for name, view in patient.scan.views.items()
        }
        scan = replace(patient.scan, anterior=views["anterior"], posterior=views["posterior"])
        truth = {name: np.zeros(scan.frame.shape, bool) for name in views}
        for lesion in patient.lesions:
            for name, shown in lesion.views.items():
                truth[name] |= np.roll(shown.mask, 2 * number, axis=0)
        found.append(SimpleNamespace(scan=scan, truth=truth, patient=who, name=f"Name{number}"))
    return found


def write_dicom(member, folder):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{member.name}.dcm"
    write_nm_wholebody(path, member.scan, patient_id=member.patient, uid_text=member.name)
    return path


def write_labels(member, folder, reader="", change=None):
    """A labelmap per view next to the scan."""
    scan = read_scan(folder / f"{member.name}.dcm")
    for name, mask in member.truth.items():
        shown = change(mask.copy()) if change else mask
        own = shown if name == "anterior" else shown[:, ::-1]
        path = folder / f"{member.name}{reader and '_' + reader}_{name}.nrrd"
        write_volume(np.ascontiguousarray(own).astype(np.uint8), scan.views[name].ijk_to_ras, str(path))


def without_first_rows(mask):
    rows = np.flatnonzero(mask.any(1))
    mask[rows[: max(1, len(rows) // 3)]] = False
    return mask


@pytest.fixture
def tree(cohort, tmp_path):
    """Two labelled patients, and two scans of which one is unlabelled."""
    for member in cohort[:2]:
        write_dicom(member, tmp_path / "labelled")
        write_labels(member, tmp_path / "labelled")
    for member in cohort[2:4]:
        write_dicom(member, tmp_path / "unlabelled")
    return SimpleNamespace(
        root=tmp_path, labelled=tmp_path / "labelled", unlabelled=tmp_path / "unlabelled", data=tmp_path / "data"
    )


def run(tree, **options):
    return gather(tree.data, find([tree.labelled], [tree.unlabelled]), **options)


def case_of(tree, member):
    return next(case for case, files in sources_of(tree.data).items() if member.name in files[0])


def stored_labels(data, case):
    record = read_json(data / "instances" / f"{case}.json")
    labelled = {lesion["id"]: lesion["labelled"] for lesion in record["lesions"]}
    found = {}
    for name in record["views"]:
        layers = read_image(data / "instances" / f"{case}_{name}.nii.gz")
        wanted = [number for number, views in labelled.items() if views.get(name)]
        found[name] = np.isin(layers, wanted).any(0)
    return found


def test_labels_arrive_pixel_for_pixel(tree, cohort):
    run(tree)
    assert len(cases_of(tree.data, "train")) == len(cases_of(tree.data, "unlabelled")) == 2
    for member in cohort[:2]:
        case, truth = case_of(tree, member), member.truth
        for name, mask in stored_labels(tree.data, case).items():
            np.testing.assert_array_equal(mask, truth[name])
        crop = read_json(tree.data / "instances" / f"{case}.json")["crop"]
        union = np.maximum(*truth.values())
        np.testing.assert_array_equal(
            read_image(tree.data / "labelsTr" / f"{case}.nii.gz")[0],
            cut(union, tuple(crop["rows"]), tuple(crop["columns"])),
        )
        posterior = read_image(tree.data / "imagesTr" / f"{case}_0001.nii.gz")[0]
        own = member.scan.posterior.counts[:, ::-1]
        np.testing.assert_array_equal(posterior, cut(own, tuple(crop["rows"]), tuple(crop["columns"])))


def test_the_data_set_holds_no_name_of_anybody(tree, cohort):
    write_labels(cohort[0], tree.labelled, "DrReader")
    run(tree)
    secrets = [b"DrReader", str(tree.root).encode(), b"1.2.826", b"SIMULATED^"]
    secrets += [word.encode() for member in cohort for word in (member.patient, member.name)]
    texts = []
    for path in tree.data.rglob("*"):
        assert not any(member.name in path.name or member.patient in path.name for member in cohort)
        if path.is_file():
            content = path.read_bytes()
            texts.append(gzip.decompress(content) if path.suffix == ".gz" else content)
    assert len(texts) > 10
    assert not [secret for secret in secrets for text in texts if secret in text]
    key = private_folder(tree.data) / "pseudonyms.key"
    assert key.read_bytes().strip() not in b"".join(texts)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_scans_of_one_patient_stay_together_and_other_sets_name_them_otherwise(tree, cohort, tmp_path):
    for member in cohort[3:]:
        write_dicom(member, tree.labelled)
        write_labels(member, tree.labelled)
    shutil.rmtree(tree.unlabelled)
    tree.unlabelled.mkdir()
    run(tree)
    records = {
        member.name: read_json(tree.data / "instances" / f"{case_of(tree, member)}.json") for member in cohort[3:]
    }
    assert len({record["patient"] for record in records.values()}) == 1
    for fold in read_json(tree.data / "splits.json")["folds"]:
        sides = [record["case"] in fold["val"] for record in records.values()]
        assert len(set(sides)) == 1
    other = gather(tmp_path / "other", find([tree.labelled]))
    assert not {row.patient for row in other.rows if row.patient} & {record["patient"] for record in records.values()}


def test_a_patient_id_in_other_letters_is_the_same_patient():
    names = Pseudonyms(b"k" * 32)
    assert len({names.patient(who) for who in ("ab 7", " AB 7", "Ab 7 ")}) == 1
    assert names.patient("AB 7") != names.patient("AB 8")


def test_two_processes_do_not_gather_into_one_data_set(tree):
    with exclusive_access(private_folder(tree.data)), pytest.raises(UserError, match="Another process"):
        run(tree)
    assert not list(tree.data.glob("instances/*"))
    assert {row.outcome for row in run(tree).rows} >= {"new"}


def test_gathering_again_changes_nothing(tree):
    run(tree)
    before = {path: path.read_bytes() for path in tree.data.rglob("*") if path.is_file()}
    again = run(tree)
    assert {row.outcome for row in again.rows} == {"as before"}
    assert {path: path.read_bytes() for path in tree.data.rglob("*") if path.is_file()} == before
    assert "no new patients" in again.text


def test_a_data_set_inside_the_scans_folder_is_no_source_of_scans(tree, monkeypatch):
    tree.data = tree.labelled / "data"
    tree.data.mkdir()
    monkeypatch.chdir(tree.data)
    gather(Path("."), find([tree.labelled], [tree.unlabelled]))
    again = gather(Path("."), find([tree.labelled], [tree.unlabelled]))
    assert sorted(row.outcome for row in again.rows) == ["as before"] * 4 + ["left out"] * 2
    assert not any(row.failed for row in again.rows)
    assert private_folder(Path(".")) == tree.labelled / "data-private"


def test_a_gathering_that_was_interrupted_continues(tree):
    class StoppedError(Exception):
        pass

    def stop(done, total):
        assert total == 4
        if done == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        run(tree, progress=stop)
    assert not (tree.data / "dataset.json").exists()
    outcomes = [row.outcome for row in run(tree).rows]
    assert sorted(outcomes) == ["as before", "as before", "as before", "new"]
    assert len(cases_of(tree.data, "train")) == 2


def test_corrected_labels_replace_the_earlier_ones(tree, cohort):
    run(tree)
    member = cohort[0]
    write_labels(member, tree.labelled, change=without_first_rows)
    outcomes = {row.case: row.outcome for row in run(tree).rows}
    case = case_of(tree, member)
    assert outcomes[case] == "changed"
    assert sorted(outcomes.values()) == ["as before", "as before", "as before", "changed"]
    for name, mask in stored_labels(tree.data, case).items():
        np.testing.assert_array_equal(mask, without_first_rows(member.truth[name].copy()))


def test_an_unlabelled_scan_becomes_a_labelled_one_and_new_patients_join_the_folds(tree, cohort):
    run(tree)
    before = read_json(tree.data / "splits.json")["folds"]
    member = cohort[2]
    case = case_of(tree, member)
    (tree.unlabelled / f"{member.name}.dcm").rename(tree.labelled / f"{member.name}.dcm")
    write_labels(member, tree.labelled)
    gathered = run(tree)
    assert case in cases_of(tree.data, "train")
    assert case not in cases_of(tree.data, "unlabelled")
    assert not list((tree.data / "imagesUnlabelled").glob(f"{case}*"))
    after = read_json(tree.data / "splits.json")["folds"]
    for old, new in zip(before, after, strict=True):
        assert set(old["train"]) <= set(new["train"])
        assert set(old["val"]) <= set(new["val"])
    assert [case in fold["val"] for fold in after].count(True) == 1
    assert read_json(tree.data / "splits_final.json") == after
    assert "1 new labelled patient added" in gathered.text
    # A labelled scan is not moved back to the unlabelled ones.
    shutil.copy(tree.labelled / f"{member.name}.dcm", tree.unlabelled)
    again = gather(tree.data, find((), [tree.unlabelled]))
    assert {row.reason for row in again.rows if row.case == case} == {"It is in the data set with labels."}


def test_a_label_in_the_wrong_frame_is_left_out_and_the_others_are_used(tree, cohort):
    scan = read_scan(tree.labelled / f"{cohort[0].name}.dcm")
    matrix = scan.frame.ijk_to_ras.copy()
    matrix[0, 3] += 100
    path = tree.labelled / f"{cohort[0].name}_shifted.nrrd"
    write_volume(np.zeros(scan.frame.shape, np.uint8), matrix, str(path))
    rows = run(tree).rows
    (row,) = [row for row in rows if row.outcome == "left out"]
    assert row.source == str(path)
    assert "does not lie on the scan" in row.reason
    (row,) = [row for row in rows if row.case == case_of(tree, cohort[0])]
    assert row.readers == 1


def test_readers_who_differ_are_reported_in_tables_and_a_picture(tree, cohort):
    write_labels(cohort[0], tree.labelled, "anna", change=without_first_rows)
    gathered = run(tree)
    case = case_of(tree, cohort[0])
    private = private_folder(tree.data)
    assert (private / "disagreements" / f"{case}.png").is_file()
    pairs = list(csv.DictReader((private / "agreement.csv").open()))
    assert {(row["first"], row["second"]) for row in pairs} == {("anna", "reader")}
    again = list(csv.DictReader((private / "annotate_again.csv").open()))
    assert {row["image"] for row in again} <= {"anterior", "posterior"}
    assert again
    assert again[0]["source"].endswith(f"{cohort[0].name}.dcm")
    assert "decided by majority" in gathered.text
    assert read_json(tree.data / "instances" / f"{case}.json")["labels"]["decided_by"] == "majority"
    # Once they agree there is nothing to annotate again.
    write_labels(cohort[0], tree.labelled, "anna")
    run(tree)
    assert not list(csv.DictReader((private / "annotate_again.csv").open()))
    assert not (private / "disagreements" / f"{case}.png").exists()


def test_the_table_states_the_outcome_of_every_scan(tree, cohort):
    (tree.unlabelled / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM")
    gathered = run(tree)
    rows = list(csv.DictReader((private_folder(tree.data) / "found.csv").open()))
    assert len(rows) == len(gathered.rows) == 5
    assert [row["outcome"] for row in rows] == ["new"] * 4 + ["left out"]
    assert "broken.dcm" in (private_folder(tree.data) / "summary.txt").read_text()
    lesions = {row["case"]: int(row["lesions"]) for row in rows if row["kind"] == "labelled"}
    assert all(count > 0 for count in lesions.values())


def test_without_the_key_patients_get_no_new_pseudonyms(tree):
    run(tree)
    (private_folder(tree.data) / "pseudonyms.key").unlink()
    with pytest.raises(UserError, match=r"pseudonyms\.key.*restore it"):
        run(tree)


def test_a_folder_that_holds_something_else_is_not_written_to(tree):
    tree.data.mkdir()
    (tree.data / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="is not a gathered data set"):
        run(tree)
    assert [path.name for path in tree.data.iterdir()] == ["precious.txt"]


def test_nothing_usable_is_an_error_that_says_where_the_reasons_are(tree, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.dcm").write_bytes(b"x")
    with pytest.raises(UserError, match="Nothing usable was found") as caught:
        gather(tree.data, find((), [tmp_path / "empty"]))
    assert "summary.txt" in str(caught.value)
    assert "a.dcm" in (private_folder(tree.data) / "summary.txt").read_text()
    # The sentence itself gives the first reason, and only the report stays.
    assert f"1 file left out, the first {tmp_path / 'empty' / 'a.dcm'} (" in str(caught.value)
    assert not tree.data.exists()
    assert not {path.name for path in private_folder(tree.data).iterdir()} & {"pseudonyms.key", "sources.json"}


def test_folders_without_a_scan_leave_nothing_behind(tree, tmp_path):
    (tmp_path / "empty").mkdir()
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=r"Nothing usable was found: no scan is in the folders; give folders"):
        gather(tmp_path / "run" / "data", find((), [tmp_path / "empty"]))
    assert set(tmp_path.rglob("*")) == before


def test_an_empty_folder_of_the_user_stays_where_nothing_usable_was_found(tree, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.dcm").write_bytes(b"x")
    tree.data.mkdir()
    with pytest.raises(UserError, match="Nothing usable was found"):
        gather(tree.data, find((), [tmp_path / "empty"]))
    assert list(tree.data.iterdir()) == []
    run(tree)
    assert (tree.data / "dataset.json").exists()


def fill_disk(monkeypatch, images):
    """Let the disk be full from an image on."""
    written = []

    def full(path, *args):
        written.append(path)
        if len(written) > images:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_image(path, *args)

    monkeypatch.setattr(cases, "write_image", full)


def test_a_full_disk_is_named_and_the_same_call_continues_with_the_missing_scans(tree, monkeypatch):
    with monkeypatch.context() as patch:
        # A labelled scan has two images and its labels: the disk is full within the second scan.
        fill_disk(patch, 4 + 2)
        with pytest.raises(UserError) as caught:
            run(tree)
    kept = [path.stem for path in (tree.data / "instances").glob("*.json")]
    assert str(caught.value) == (
        f"{tree.data} cannot be written (No space left on device) and is not complete; free space and gather the same "
        f"folders again, which continues after the {len(kept)} scan{'s' * (len(kept) != 1)} in it."
    )
    # No image of the scan that did not fit, and no data set that a training would take for a whole one.
    images = {path.name[: len(kept[0])] for path in tree.data.rglob("*.nii.gz")}
    assert images == set(kept)
    assert not (tree.data / "dataset.json").exists()
    outcomes = [row.outcome for row in run(tree).rows]
    assert sorted(outcomes) == ["as before"] * len(kept) + ["new"] * (4 - len(kept))


def test_a_disk_that_is_full_before_the_first_scan_leaves_nothing_behind(tree, monkeypatch):
    before = set(tree.root.rglob("*"))
    fill_disk(monkeypatch, 1)
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\); free space or choose another"):
        run(tree)
    assert set(tree.root.rglob("*")) == before


def test_scaled_grey_values_are_no_counts(tree, cohort, tmp_path):
    import SimpleITK as sitk  # noqa: N813

    folder = tmp_path / "pictures"
    folder.mkdir()
    counts = cohort[0].scan.anterior.counts
    image = sitk.GetImageFromArray(counts[None] / counts.max())
    image.SetSpacing((9.04, 9.04, 1.0))
    sitk.WriteImage(image, str(folder / "p_ANT.nii.gz"))
    label = sitk.GetImageFromArray((counts > 1e6).astype(np.uint8)[None])
    label.CopyInformation(image)
    sitk.WriteImage(label, str(folder / "p_ANT_mask.nii.gz"))
    with pytest.raises(UserError):
        gather(tree.data, find([folder]))
    assert "holds scaled grey values" in (private_folder(tree.data) / "summary.txt").read_text()


def test_the_trainers_loader_reads_what_was_gathered(tree, cohort):
    run(tree)
    crop = load_case(tree.data, case_of(tree, cohort[0]))
    assert set(crop.labels) == {"anterior", "posterior"}
    assert crop.counts["anterior"].shape == crop.labels["anterior"].shape == (256, 256)
    assert load_case(tree.data, case_of(tree, cohort[2])).labels == {}
