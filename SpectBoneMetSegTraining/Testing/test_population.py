"""A simulated population as a data set: resumable, reproducible, and in the same place as its DICOM files."""

import os
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.scan.aggregation import aggregate
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegLib.scan.regrid import regrid
from SpectBoneMetSegLib.scan.thorax import LOW_CONFIDENCE, crop_thorax
from SpectBoneMetSegTrainingLib.dataset.cases import (
    IGNORE,
    LESION,
    cases_of,
    load_background,
    load_case,
    read_image,
    read_json,
)
from SpectBoneMetSegTrainingLib.dataset.reader_agreement import dice
from SpectBoneMetSegTrainingLib.phantom.cohort import population
from SpectBoneMetSegTrainingLib.phantom.cohort.population import (
    Population,
    case_name,
    simulate_population,
    write_simulated,
)
from SpectBoneMetSegTrainingLib.phantom.scan import simulate as hospital
from SpectBoneMetSegTrainingLib.phantom.scan.simulate import SimulatedCase, SimulatedLesion
from SpectBoneMetSegTrainingLib.phantom.scan.truth import LesionView

SHAPE, SPACING = (512, 128), 4.0
#: Rows and columns that a lesion reaches.
BLOCK = (15, 15)


def lesion_view(row, column, contrast, snr, visible):
    mask = np.zeros(SHAPE, bool)
    box = slice(row, row + BLOCK[0]), slice(column, column + BLOCK[1])
    rows, columns = np.indices(BLOCK)
    profile = (np.exp(-((rows - 7) ** 2 + (columns - 7) ** 2) / 18) / 0.92).astype(np.float32)
    mask[box] = profile >= 0.5
    return LesionView(mask, contrast, snr, visible, box, profile, 1 + contrast)


def fake_case(case, seed, held_out=False, site="a"):
    """A quick stand-in for the simulator: a block of a body with one lesion per patient, plain in front only."""
    rng = np.random.default_rng(seed)
    expected = np.full(SHAPE, 0.2, np.float32)
    expected[40:90, 52:76] = 20
    expected[85:260, 25:103] = 20
    expected[260:470, 40:88] = 20
    row, column = int(rng.integers(110, 200)), int(rng.integers(40, 80))
    views = {
        "anterior": lesion_view(row, column, 4.0, 20.0, True),
        "posterior": lesion_view(row, column, 0.01, 0.2, False),
    }
    background = expected.copy()
    shown = views["anterior"]
    expected[shown.box] += 80 * shown.profile
    front = PlanarView(rng.poisson(expected), (SPACING, SPACING), "anterior")
    behind = PlanarView(rng.poisson(expected), (SPACING, SPACING), "anterior")
    scan = WholeBodyScan(case, front, mirror(behind))
    lesion = SimulatedLesion(1, "m1", "metastasis", "baseline", "T5", 6.0, views)
    return SimulatedCase(
        scan,
        dict.fromkeys(views, expected),
        dict.fromkeys(views, background),
        (lesion,),
        ("degenerative L4",),
        {"clavicle_row": 90.0},
        parameters={"spacing_mm": SPACING, "held_out": held_out},
    )


def fake_series(case, seed, scans, held_out=False, site="a"):
    """The same patient again and again; the lesion has grown."""
    series = [fake_case(case, seed, held_out)]
    for number in range(1, scans):
        later = fake_case(f"{case}_s{number}", (*seed, number), held_out)
        series.append(replace(later, lesions=(replace(later.lesions[0], change="grown"),)))
    return series


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(hospital, "simulate_case", fake_case)
    monkeypatch.setattr(hospital, "simulate_series", fake_series)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SMALL = Population(6, seed=7, unlabelled=2, test_share=0.5)


@pytest.fixture
def whole(tmp_path):
    simulate_population(tmp_path / "whole", SMALL)
    return tmp_path / "whole"


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
def test_the_share_of_test_patients_is_the_one_asked_for(share, wanted):
    people = Population(100, seed=0, test_share=share)
    assert sum(people.split(i) == "test" for i in range(100)) == wanted


def test_a_larger_population_keeps_the_splits_of_a_smaller_one():
    few, many = Population(10, seed=0), Population(50, seed=0)
    assert [few.split(i) for i in range(10)] == [many.split(i) for i in range(10)]
    assert few.split(10) == "unlabelled"
    assert [i for i in range(10) if few.split(i) == "test"] == [4, 9]


def test_a_resumed_run_gives_the_same_bytes_as_an_unbroken_one(tmp_path, whole, monkeypatch):
    calls = []

    def breaks(case, seed, held_out, site):
        calls.append(case)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fake_case(case, seed, held_out)

    monkeypatch.setattr(hospital, "simulate_case", breaks)
    with pytest.raises(KeyboardInterrupt):
        simulate_population(tmp_path / "broken", SMALL)
    assert not (tmp_path / "broken" / "dataset.json").exists()
    # What a kill at the worst moment leaves behind.
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
        pytest.skip("the stand-in for the simulator only reaches forked processes")
    simulate_population(tmp_path / "two", SMALL, jobs=2)
    assert contents(tmp_path / "two") == contents(whole)


def test_another_seed_gives_other_patients_with_other_names(tmp_path, whole):
    simulate_population(tmp_path / "other", Population(1, seed=8, dicom=False))
    one, other = load_case(whole, "sim0007_00000"), load_case(tmp_path / "other", "sim0008_00000")
    assert not np.array_equal(one.counts["anterior"], other.counts["anterior"])
    assert not (tmp_path / "other" / "dicom").exists()
    assert case_name(Population(1, seed=123456), 3) == "sim123456_00003"


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


def test_a_lesion_lies_at_the_same_place_of_the_patient_in_the_crop_and_in_the_dicom_file(whole):
    case = cases_of(whole, "train")[0]
    label = sitk.ReadImage(str(whole / "labelsTr" / f"{case}.nii.gz"))
    image = sitk.ReadImage(str(whole / "imagesTr" / f"{case}_0001.nii.gz"))
    scan = read_scan(whole / "dicom" / f"{case}.dcm")
    slices, rows, columns = np.nonzero(sitk.GetArrayFromImage(label) == LESION)
    counts = sitk.GetArrayFromImage(image)
    for row, column in list(zip(rows, columns, strict=True))[::5]:
        right, front, top = label.TransformIndexToPhysicalPoint((int(column), int(row), int(slices[0])))
        ras = np.array([-right, -front, top, 1.0])
        # The posterior view, as acquired, holds at that place what the mirrored crop holds.
        i, j, k, _ = np.linalg.inv(scan.posterior.ijk_to_ras) @ ras
        assert (abs(i - round(i)), abs(j - round(j)), abs(k)) == pytest.approx((0, 0, 0), abs=1e-3)
        assert scan.posterior.counts[round(j), round(i)] == counts[0, row, column]
        i, j, _, _ = np.linalg.inv(scan.anterior.ijk_to_ras) @ ras
        # 20 counts around it, 44 to 100 inside the outlines that readers draw.
        assert scan.anterior.counts[round(j), round(i)] > 30


def test_other_options_in_the_same_folder_are_refused(whole):
    before = contents(whole)
    with pytest.raises(UserError, match="other options"):
        simulate_population(whole, Population(7, seed=7, unlabelled=2, test_share=0.5))
    assert contents(whole) == before


def test_a_finished_population_is_left_alone(whole, monkeypatch):
    before = contents(whole)
    monkeypatch.setattr(hospital, "simulate_case", None)
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


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever may write everywhere is never refused")
def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written"):
        simulate_population(tmp_path / "new", SMALL)


def test_a_place_below_a_file_is_named_as_not_writable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        simulate_population(tmp_path / "file" / "below", SMALL)


@pytest.mark.parametrize("place", ["image", "dicom"])
def test_a_full_disk_is_one_sentence_and_the_run_can_go_on(tmp_path, whole, monkeypatch, place):
    from SpectBoneMetSegTrainingLib.phantom.scan import dicom_nm

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    def itk_full(*arguments, **options):
        raise RuntimeError("sitk::ERROR: many lines")

    target = tmp_path / "full"
    with monkeypatch.context() as patch:
        if place == "dicom":
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
    assert not (whole / "readers" / "sim0007_00006.json").exists(), "nobody reads an unlabelled scan"


def test_the_agreement_of_the_readers_is_told_for_the_whole_data_set(tmp_path):
    figures = simulate_population(tmp_path / "set", SMALL)
    assert figures == read_json(tmp_path / "set" / "agreement.json")
    assert figures["images"] == 2 * SMALL.patients
    assert figures["images_with_marks"] == SMALL.patients
    assert 0.6 < figures["pair_dice"] <= figures["best_pair_dice"] <= 1


def test_a_lesion_that_the_readers_missed_is_neither_right_nor_wrong(tmp_path, monkeypatch):
    from SpectBoneMetSegTrainingLib.phantom.scan import readers

    monkeypatch.setattr(readers, "draw_readers", lambda rng: (readers.Reader(0.4, 1e3),) * 3)
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
    """The simulator's stand-in gives cases with these fields."""
    monkeypatch.setattr(
        hospital,
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


@pytest.mark.parametrize("there", ["anterior", "posterior"])
def test_a_scan_with_one_view_becomes_a_case_with_one_view(tmp_path, monkeypatch, there):
    def one_view(case, seed, held_out=False, site="a"):
        made = fake_case(case, seed)
        gone = "posterior" if there == "anterior" else "anterior"
        kept = tuple(replace(item, views={there: item.views["anterior"]}) for item in made.lesions)
        return replace(
            made,
            scan=replace(made.scan, **{gone: None}),
            lesions=kept,
            expected={there: made.expected[there]},
            background={there: made.background[there]},
            variant=f"{there}-only",
        )

    monkeypatch.setattr(hospital, "simulate_case", one_view)
    simulate_population(tmp_path, Population(1, seed=1, background=True))
    crop = load_case(tmp_path, "sim0001_00000")
    assert set(crop.counts) == set(crop.labels) == {there}
    assert (crop.labels[there] == LESION).any()
    assert set(load_background(tmp_path, "sim0001_00000")) == {there}
    assert set(read_scan(tmp_path / "dicom" / "sim0001_00000.dcm").views) == {there}


def test_a_variant_of_several_files_is_written_as_a_folder(tmp_path, monkeypatch):
    with_change(monkeypatch, variant="single-files")
    simulate_population(tmp_path, Population(1, seed=1))
    study = tmp_path / "dicom" / "sim0001_00000"
    assert sorted(path.name for path in study.iterdir()) == ["ANT.dcm", "POST.dcm"]
    assert set(read_scan(study).views) == {"anterior", "posterior"}
    assert read_json(tmp_path / "instances" / "sim0001_00000.json")["variant"] == "single-files"


def test_only_test_patients_have_held_out_bodies_and_only_where_that_is_wanted(tmp_path):
    for held_out in (True, False):
        asked = Population(4, seed=3, test_share=0.5, unlabelled=1, dicom=False, held_out=held_out)
        folder = tmp_path / str(held_out)
        simulate_population(folder, asked)
        for index in range(5):
            record = read_json(folder / "instances" / f"{case_name(asked, index)}.json")
            assert record["parameters"]["held_out"] == (held_out and record["split"] == "test")


def test_the_background_is_the_scan_without_noise_and_metastases(tmp_path):
    simulate_population(tmp_path, Population(1, seed=1, dicom=False, background=True))
    background, crop = load_background(tmp_path, "sim0001_00000"), load_case(tmp_path, "sim0001_00000")
    label = crop.labels["anterior"] == LESION
    level = 20 * 2.26**2 / SPACING**2
    assert background["anterior"][label] == pytest.approx(level, rel=1e-3)
    assert crop.counts["anterior"][label].mean() > 2.5 * level


SERIAL = Population(8, seed=5, test_share=0.5, series=0.6, dicom=True)


def test_patients_who_come_again_have_all_their_scans_in_one_split(tmp_path):
    simulate_population(tmp_path, SERIAL)
    paths = sorted((tmp_path / "instances").glob("*.json"))
    records = [read_json(path) for path in paths]
    scans = [SERIAL.scans(index) for index in range(8)]
    assert len(records) == sum(scans) > 8
    assert min(scans) == 1
    assert all(count in (1, 2, 3, 4) for count in scans)
    for patient in {record["patient"] for record in records}:
        theirs = [record for record in records if record["patient"] == patient]
        assert len({record["split"] for record in theirs}) == 1
        assert [record["scan"] for record in theirs] == list(range(len(theirs)))
        assert [record["case"] for record in theirs] == [patient, *(f"{patient}_s{i}" for i in range(1, len(theirs)))]
        assert [record["lesions"][0]["change"] for record in theirs] == ["baseline", *["grown"] * (len(theirs) - 1)]
    whose = {record["case"]: record["patient"] for record in records}
    for fold in read_json(tmp_path / "splits.json")["folds"]:
        assert not {whose[case] for case in fold["train"]} & {whose[case] for case in fold["val"]}
    headers = [pydicom.dcmread(tmp_path / "dicom" / f"{record['case']}.dcm") for record in records]
    assert [str(header.PatientID) for header in headers] == [record["patient"] for record in records]
    assert len({header.StudyInstanceUID for header in headers}) == len(records)
    dates = {(record["patient"], header.StudyDate) for record, header in zip(records, headers, strict=True)}
    assert len(dates) == len(records)


def test_a_series_that_was_broken_off_goes_on_where_it_stood(tmp_path, monkeypatch):
    simulate_population(tmp_path / "whole", SERIAL)
    simulate_population(tmp_path / "broken", SERIAL)
    again = max(range(8), key=SERIAL.scans)
    name = case_name(SERIAL, again)
    (tmp_path / "broken" / "instances" / f"{name}_s1.json").unlink()
    written = []
    real = population.write_simulated

    def noted(folder, split, simulated, *rest, **options):
        written.append(simulated.scan.case)
        real(folder, split, simulated, *rest, **options)

    monkeypatch.setattr(population, "write_simulated", noted)
    simulate_population(tmp_path / "broken", SERIAL)
    assert written == [f"{name}_s1"]
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


def test_a_baseline_does_not_depend_on_whether_others_come_again(tmp_path):
    simulate_population(tmp_path / "once", replace(SERIAL, series=0.0, dicom=False))
    simulate_population(tmp_path / "serial", replace(SERIAL, dicom=False))
    for index in range(8):
        name = case_name(SERIAL, index)
        one, two = (load_case(tmp_path / folder, name) for folder in ("once", "serial"))
        assert np.array_equal(one.counts["anterior"], two.counts["anterior"])
        assert np.array_equal(one.labels["anterior"], two.labels["anterior"])


def test_a_scan_can_be_written_without_any_truth(tmp_path):
    write_simulated(tmp_path, "test", fake_case("a", (1, 1)), {"patient": "p"}, (0,), truth=False)
    crop = load_case(tmp_path, "a")
    assert (crop.labels, crop.lesions) == ({}, [])
    assert {path.name for path in tmp_path.iterdir()} == {"dicom", "imagesTs", "instances"}


def crop_is_right(crop, landmarks, columns):
    middle = (crop.columns[0] + crop.columns[1] - 1) / 2
    return (
        landmarks["clavicle_row"] - 75 <= crop.rows[0] <= landmarks["clavicle_row"] - 12
        and crop.rows[1] >= landmarks["last_rib_row"] + 8
        # A box as wide as the field cannot follow a patient who lies beside its middle, and need not.
        and (crop.columns == (0, columns) or abs(middle - landmarks["thoracic_spine_column"]) <= 18)
    )


#: (rows, columns), mm: the paper's matrix, its half, and other makers'.
MATRICES = (((1024, 256), 2.26), ((512, 128), 4.52), ((1024, 256), 2.4), ((900, 220), 2.8), ((1200, 320), 1.95))


def test_nineteen_of_twenty_simulated_patients_are_cropped_right_from_their_dicom_files(tmp_path, monkeypatch):
    from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import FOLDER_VARIANTS, VARIANTS, write_nm_wholebody

    monkeypatch.undo()
    right, doubted = 0, 0
    for index in range(20):
        shape, spacing = MATRICES[index % len(MATRICES)]
        case = hospital.simulate_case(f"p{index}", (31, index), shape=shape, spacing=spacing, arms_up=index % 10 == 3)
        views = list(case.scan.views)
        variant = VARIANTS[index % len(VARIANTS)] if len(views) == 2 else f"{views[0]}-only"
        path = tmp_path / f"p{index}" / ("" if variant in FOLDER_VARIANTS else "scan.dcm")
        write_nm_wholebody(path, case.scan, patient_id=f"p{index}", uid_text=f"crop {index}", variant=variant)
        frame = aggregate(read_scan(path))
        work = regrid(frame)
        crop = crop_thorax(work.counts, work.spacing[0])
        assert crop.rows[1] - crop.rows[0] == crop.columns[1] - crop.columns[0] == 256
        if crop_is_right(crop, at_working_size(case.landmarks, frame, work), work.shape[1]):
            right += 1
        else:
            assert crop.confidence < LOW_CONFIDENCE, (index, variant, crop, case.landmarks)
        doubted += crop.confidence < LOW_CONFIDENCE
    assert right >= 19
    # A warning on everything would warn of nothing.
    assert doubted <= 3


def at_working_size(landmarks, frame, work):
    """Landmarks in pixels of `frame` as pixels of `work`; both fields have one middle."""
    moved = {}
    for name, value in landmarks.items():
        axis = int(name.endswith("column"))
        middle = (frame.shape[axis] - 1) / 2
        moved[name] = (value - middle) * frame.spacing[axis] / work.spacing[axis] + (work.shape[axis] - 1) / 2
    return moved


@pytest.mark.slow
def test_real_simulated_patients_make_a_readable_data_set(tmp_path, monkeypatch):
    monkeypatch.undo()
    asked = Population(2, seed=41, unlabelled=1, test_share=0.5)
    simulate_population(tmp_path / "set", asked)
    crop = load_case(tmp_path / "set", case_name(asked, 0))
    assert {image.shape for image in crop.counts.values()} == {(256, 256)}
    again = hospital.simulate_case("again", (41, 0))
    files = tmp_path / "set" / "dicom" / case_name(asked, 0)
    scan = read_scan(files if files.is_dir() else files.with_suffix(".dcm"))
    assert set(scan.views) == set(again.scan.views) == set(crop.counts)
    for name, view in again.scan.views.items():
        assert np.array_equal(scan.views[name].counts, view.counts)
    assert read_json(tmp_path / "set" / "simulation.json")["version"] == population.SIMULATOR_VERSION
