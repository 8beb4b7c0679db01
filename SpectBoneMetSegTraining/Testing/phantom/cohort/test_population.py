"""A simulated population as a data set: resumable, reproducible, and aligned with its DICOM files."""

from __future__ import annotations

import os

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.dataset.cases import (
    cases_of,
    load_case,
    read_json,
)
from SpectBoneMetSegTrainingLib.phantom.cohort.population import (
    Population,
    case_name,
    simulate_population,
)
from SpectBoneMetSegTrainingLib.phantom.scan import simulate as simulate_module
from support.cohort import SMALL, contents, fake_case

pytestmark = pytest.mark.usefixtures("quick")


def test_every_patient_is_in_its_split(whole):
    assert cases_of(whole, "train") == ["sim0007_00000", "sim0007_00002", "sim0007_00004"]
    assert cases_of(whole, "test") == ["sim0007_00001", "sim0007_00003", "sim0007_00005"]
    assert cases_of(whole, "unlabelled") == ["sim0007_00006", "sim0007_00007"]
    assert len(list((whole / "dicom").glob("*.dcm"))) == 8
    record = read_json(whole / "instances" / "sim0007_00000.json")
    assert record["data"] == "simulated"
    assert record["mimics"] == ["degenerative L4"]
    assert record["lesions"][0]["labelled"] == {"anterior": True, "posterior": False}
    assert record["lesions"][0]["track"] == "m1"
    assert (record["patient"], record["scan"], record["flags"]) == ("sim0007_00000", 0, [])
    assert "simulated" in read_json(whole / "dataset.json")["description"].lower()


@pytest.mark.parametrize(
    ("share", "wanted"), [(0.2, 20), (0.1, 10), (0.25, 25), (0.3, 30), (0.4, 40), (0.7, 70), (0, 0), (1, 100)]
)
def test_the_share_of_test_patients_is_the_requested_one(share, wanted):
    people = Population(100, seed=0, test_share=share)
    assert sum(people.split(i) == "test" for i in range(100)) == wanted


def test_a_larger_population_keeps_the_splits_of_a_smaller_one():
    few, many = Population(10, seed=0), Population(50, seed=0)
    assert [few.split(i) for i in range(10)] == [many.split(i) for i in range(10)]
    assert few.split(10) == "unlabelled"
    assert [i for i in range(10) if few.split(i) == "test"] == [4, 9]


def test_a_resumed_run_gives_the_same_bytes_as_an_uninterrupted_one(tmp_path, whole, monkeypatch):
    calls = []

    def breaks(case, seed, *, held_out, site):
        calls.append(case)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fake_case(case, seed, held_out=held_out)

    monkeypatch.setattr(simulate_module, "simulate_case", breaks)
    with pytest.raises(KeyboardInterrupt):
        simulate_population(tmp_path / "broken", SMALL)
    assert not (tmp_path / "broken" / "dataset.json").exists()
    # The leftovers of a run that was killed while writing.
    (tmp_path / "broken" / "instances" / ".99-sim0007_00003.json").write_text("{")
    (tmp_path / "broken" / "imagesTs" / "sim0007_00003_0000.nii.gz").write_bytes(b"half")
    calls.clear()
    calls.extend(["as if four were done"] * 4)
    steps = []
    simulate_population(tmp_path / "broken", SMALL, progress=lambda done, total: steps.append((done, total)))
    assert calls[4:] == [f"sim0007_0000{i}" for i in (3, 4, 5, 6, 7)]
    assert steps == [(i, 8) for i in (4, 5, 6, 7, 8)]
    assert contents(tmp_path / "broken") == contents(whole)


def test_several_processes_give_the_same_bytes_as_one(tmp_path, whole):
    import multiprocessing

    if multiprocessing.get_start_method() != "fork":
        pytest.skip("the fake simulator only reaches forked processes")
    simulate_population(tmp_path / "two", SMALL, workers=2)
    assert contents(tmp_path / "two") == contents(whole)


def test_another_seed_gives_other_patients_with_other_names(tmp_path, whole):
    simulate_population(tmp_path / "other", Population(1, seed=8, dicom=False))
    one, other = load_case(whole, "sim0007_00000"), load_case(tmp_path / "other", "sim0008_00000")
    assert not np.array_equal(one.counts["anterior"], other.counts["anterior"])
    assert not (tmp_path / "other" / "dicom").exists()
    assert case_name(Population(1, seed=123456), 3) == "sim123456_00003"


def test_other_options_in_the_same_folder_are_refused(whole):
    before = contents(whole)
    with pytest.raises(UserError, match="other options"):
        simulate_population(whole, Population(7, seed=7, unlabelled=2, test_share=0.5))
    assert contents(whole) == before


def test_a_finished_population_is_left_unchanged(whole, monkeypatch):
    before = contents(whole)
    monkeypatch.setattr(simulate_module, "simulate_case", None)
    simulate_population(whole, SMALL)
    assert contents(whole) == before


def test_a_folder_of_something_else_is_refused_and_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not a simulated data set"):
        simulate_population(tmp_path, SMALL)
    with pytest.raises(UserError, match="not a simulated data set"):
        simulate_population(tmp_path / "thesis.txt", SMALL)
    assert list(contents(tmp_path)) == ["thesis.txt"]


def test_an_empty_folder_may_be_used(tmp_path):
    simulate_population(tmp_path, Population(1, seed=1))
    assert cases_of(tmp_path, "train") == ["sim0001_00000"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser is never refused")
def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written"):
        simulate_population(tmp_path / "new", SMALL)


def test_a_path_below_a_file_is_named_as_not_writable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        simulate_population(tmp_path / "file" / "below", SMALL)


@pytest.mark.parametrize("failing", ["image", "dicom"])
def test_a_full_disk_is_one_sentence_and_the_run_can_continue(tmp_path, whole, monkeypatch, failing):
    from SpectBoneMetSegTrainingLib.phantom.scan import dicom_nm

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    def itk_full(*arguments, **options):
        raise RuntimeError("sitk::ERROR: many lines")

    target = tmp_path / "full"
    with monkeypatch.context() as patch:
        if failing == "dicom":
            patch.setattr(dicom_nm, "write_nm_wholebody", full)
        else:
            patch.setattr(sitk, "WriteImage", itk_full)
        with pytest.raises(UserError, match="cannot be written") as caught:
            simulate_population(target, SMALL)
    assert "\n" not in str(caught.value)
    assert not list(target.rglob(".*"))
    assert not (target / "instances" / "sim0007_00000.json").exists()
    simulate_population(target, SMALL)
    assert contents(target) == contents(whole)
