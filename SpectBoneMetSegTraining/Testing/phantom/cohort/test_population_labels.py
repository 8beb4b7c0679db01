"""Labels, readers, flags and missing views of a simulated population."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegTrainingLib.dataset.cases import (
    IGNORE,
    LESION,
    cases_of,
    load_background,
    load_case,
    read_json,
)
from SpectBoneMetSegTrainingLib.dataset.files import read_image
from SpectBoneMetSegTrainingLib.dataset.reader_agreement import dice
from SpectBoneMetSegTrainingLib.phantom.cohort.population import (
    Population,
    simulate_population,
    write_simulated,
)
from SpectBoneMetSegTrainingLib.phantom.scan import simulate as simulate_module
from support.cohort import SHAPE, SMALL, SPACING, fake_case

pytestmark = pytest.mark.usefixtures("quick")


def test_labels_line_up_with_lesions_and_counts(whole):
    for case in [*cases_of(whole, "train"), *cases_of(whole, "test")]:
        crop = load_case(whole, case)
        assert crop.counts["anterior"].shape == (256, 256)
        label = crop.labels["anterior"] == LESION
        assert label.any()
        assert np.array_equal(label, (crop.instances["anterior"] == 1).any(0))
        # 20 counts per pixel of 16 mm2 around it, up to 100 inside.
        level = 20 * 2.26**2 / SPACING**2
        assert crop.counts["anterior"][label].mean() > 2.5 * level
        assert crop.counts["posterior"][label].mean() > 2.5 * level
        assert not (crop.labels["posterior"] == LESION).any()
        assert (crop.labels["posterior"] == IGNORE).any()


def test_a_lesion_is_at_the_same_position_of_the_patient_in_the_crop_and_in_the_dicom_file(whole):
    case = cases_of(whole, "train")[0]
    label = sitk.ReadImage(str(whole / "labelsTr" / f"{case}.nii.gz"))
    image = sitk.ReadImage(str(whole / "imagesTr" / f"{case}_0001.nii.gz"))
    scan = read_scan(whole / "dicom" / f"{case}.dcm")
    slices, rows, columns = np.nonzero(sitk.GetArrayFromImage(label) == LESION)
    counts = sitk.GetArrayFromImage(image)
    for row, column in list(zip(rows, columns, strict=True))[::5]:
        right, front, top = label.TransformIndexToPhysicalPoint((int(column), int(row), int(slices[0])))
        ras = np.array([-right, -front, top, 1.0])
        # The posterior view, as acquired, holds at this position what the mirrored crop holds.
        i, j, k, _ = np.linalg.inv(scan.posterior.ijk_to_ras) @ ras
        assert (abs(i - round(i)), abs(j - round(j)), abs(k)) == pytest.approx((0, 0, 0), abs=1e-3)
        assert scan.posterior.counts[round(j), round(i)] == counts[0, row, column]
        i, j, _, _ = np.linalg.inv(scan.anterior.ijk_to_ras) @ ras
        # 20 counts around it, 44 to 100 inside the outlines that readers draw.
        assert scan.anterior.counts[round(j), round(i)] > 30


def test_labels_are_what_the_readers_agreed_on_and_the_exact_outlines_are_kept_apart(whole):
    differ = 0
    for case in cases_of(whole, "train"):
        agreed, exact = load_case(whole, case), load_case(whole, case, truth="exact")
        one, two = (crop.labels["anterior"] == LESION for crop in (agreed, exact))
        assert 0.6 < dice(one, two) <= 1.0
        differ += not np.array_equal(one, two)
        union = read_image(whole / "labelsTr" / f"{case}.nii.gz")[0]
        record = read_json(whole / "instances" / f"{case}.json")
        layers = read_image(whole / "instances" / f"{case}_anterior.nii.gz")[0]
        (top, end), (left, right) = record["crop"]["rows"], record["crop"]["columns"]
        inside = layers[max(top, 0) : end, max(left, 0) : right] == 1
        assert (union == LESION).sum() == inside.sum() > 0
    assert differ


def test_readers_first_marks_are_kept_with_how_far_they_differ(whole):
    case = cases_of(whole, "test")[0]
    record = read_json(whole / "readers" / f"{case}.json")
    marks = read_image(whole / "readers" / f"{case}_anterior.nii.gz") > 0
    assert marks.shape == (3, *SHAPE)
    front = record["views"]["anterior"]
    assert front["area_differences"][0][0] == pytest.approx(
        1 - (marks[0] & marks[1]).sum() / (marks[0] | marks[1]).sum(), abs=1e-4
    )
    assert front["pair_dice"][0] == pytest.approx(dice(marks[0], marks[1]), abs=1e-4)
    assert not record["views"]["posterior"]["marked"]
    assert not (whole / "readers" / "sim0007_00006.json").exists(), "unlabelled scans have no readers"


def test_the_agreement_of_the_readers_is_reported_for_the_whole_data_set(tmp_path):
    figures = simulate_population(tmp_path / "set", SMALL)
    assert figures == read_json(tmp_path / "set" / "agreement.json")
    assert figures["images"] == 2 * SMALL.patients
    assert figures["images_with_marks"] == SMALL.patients
    assert 0.6 < figures["pair_dice"] <= figures["best_pair_dice"] <= 1


def test_a_lesion_that_the_readers_missed_is_neither_right_nor_wrong(tmp_path, monkeypatch):
    from SpectBoneMetSegTrainingLib.phantom.scan import readers

    monkeypatch.setattr(readers, "draw_readers", lambda rng: (readers.SimulatedReader(0.4, 1e3),) * 3)
    simulate_population(tmp_path, Population(1, seed=1))
    crop = load_case(tmp_path, "sim0001_00000")
    exact = load_case(tmp_path, "sim0001_00000", truth="exact")
    assert crop.lesions[0]["labelled"] == {"anterior": False, "posterior": False}
    assert exact.lesions[0]["labelled"] == {"anterior": True, "posterior": False}
    assert np.array_equal(crop.instances["anterior"], exact.instances["anterior"])
    for view, label in crop.labels.items():
        assert np.array_equal(label == IGNORE, (exact.instances[view] == 1).any(0))
        assert not (label == LESION).any()


def with_change(monkeypatch, **changes):
    """Make the fake simulator return cases with these fields."""
    monkeypatch.setattr(
        simulate_module,
        "simulate_case",
        lambda case, seed, held_out=False, site="a": replace(fake_case(case, seed), **changes),
    )


def test_cold_lesions_are_ignored_and_flagged_cases_keep_out_of_the_agreement(tmp_path, monkeypatch):
    cold = tuple(replace(lesion, kind="cold") for lesion in fake_case("a", (1, 0)).lesions)
    with_change(monkeypatch, lesions=cold, flags=("cold lesions",))
    figures = simulate_population(tmp_path, Population(1, seed=1))
    crop = load_case(tmp_path, "sim0001_00000")
    assert crop.flags == ("cold lesions",)
    assert set(np.unique(crop.labels["anterior"])) == {0, IGNORE}
    assert crop.lesions[0]["kind"] == "cold"
    assert figures["images"] == 0


@pytest.mark.parametrize("view", ["anterior", "posterior"])
def test_a_scan_with_one_view_becomes_a_case_with_one_view(tmp_path, monkeypatch, view):
    def one_view(case, seed, *, held_out=False, site="a"):
        made = fake_case(case, seed)
        gone = "posterior" if view == "anterior" else "anterior"
        kept = tuple(replace(item, views={view: item.views["anterior"]}) for item in made.lesions)
        return replace(
            made,
            scan=replace(made.scan, **{gone: None}),
            lesions=kept,
            expected={view: made.expected[view]},
            background={view: made.background[view]},
            variant=f"{view}-only",
        )

    monkeypatch.setattr(simulate_module, "simulate_case", one_view)
    simulate_population(tmp_path, Population(1, seed=1, background=True))
    crop = load_case(tmp_path, "sim0001_00000")
    assert set(crop.counts) == set(crop.labels) == {view}
    assert (crop.labels[view] == LESION).any()
    assert set(load_background(tmp_path, "sim0001_00000")) == {view}
    assert set(read_scan(tmp_path / "dicom" / "sim0001_00000.dcm").views) == {view}


def test_a_variant_of_several_files_is_written_as_a_folder(tmp_path, monkeypatch):
    with_change(monkeypatch, variant="single-files")
    simulate_population(tmp_path, Population(1, seed=1))
    study = tmp_path / "dicom" / "sim0001_00000"
    assert sorted(path.name for path in study.iterdir()) == ["ANT.dcm", "POST.dcm"]
    assert set(read_scan(study).views) == {"anterior", "posterior"}
    assert read_json(tmp_path / "instances" / "sim0001_00000.json")["variant"] == "single-files"


def test_the_background_is_the_scan_without_noise_and_metastases(tmp_path):
    simulate_population(tmp_path, Population(1, seed=1, dicom=False, background=True))
    background, crop = load_background(tmp_path, "sim0001_00000"), load_case(tmp_path, "sim0001_00000")
    label = crop.labels["anterior"] == LESION
    level = 20 * 2.26**2 / SPACING**2
    assert background["anterior"][label] == pytest.approx(level, rel=1e-3)
    assert crop.counts["anterior"][label].mean() > 2.5 * level


def test_an_unlabelled_scan_is_written_without_any_truth(tmp_path):
    write_simulated(tmp_path, "unlabelled", fake_case("a", (1, 1)), {"patient": "p"}, (0,))
    crop = load_case(tmp_path, "a")
    assert (crop.labels, crop.lesions) == ({}, [])
    assert {path.name for path in tmp_path.iterdir()} == {"dicom", "imagesUnlabelled", "instances"}
