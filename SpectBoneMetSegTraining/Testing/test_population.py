"""A simulated population as a data set: resumable, reproducible, and in the same place as its DICOM files."""

import os

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from SpectBoneMetSegLib.aggregation import aggregate
from SpectBoneMetSegLib.cropping import LOW_CONFIDENCE, crop_thorax
from SpectBoneMetSegLib.errors import UserError
from SpectBoneMetSegLib.planar import PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegLib.reading import read_scan
from SpectBoneMetSegLib.regrid import regrid
from SpectBoneMetSegTrainingLib.dataset import LESION, cases_of, load_case, merge_labels, read_json
from SpectBoneMetSegTrainingLib.phantom import hospital, population
from SpectBoneMetSegTrainingLib.phantom.hospital import SimulatedCase, SimulatedLesion
from SpectBoneMetSegTrainingLib.phantom.population import Population, case_name, simulate_population
from SpectBoneMetSegTrainingLib.phantom.truth import LesionView

SHAPE, SPACING = (512, 128), 4.0


def fake_case(case, seed):
    """A quick stand-in for the simulator: a block of a body with one lesion per patient."""
    rng = np.random.default_rng(seed)
    expected = np.full(SHAPE, 0.2, np.float32)
    expected[40:90, 52:76] = 20
    expected[85:260, 25:103] = 20
    expected[260:470, 40:88] = 20
    mask = np.zeros(SHAPE, bool)
    row, column = int(rng.integers(110, 200)), int(rng.integers(40, 80))
    mask[row : row + 6, column : column + 4] = True
    expected[mask] += 80
    front = PlanarView(rng.poisson(expected), (SPACING, SPACING), "anterior")
    behind = PlanarView(rng.poisson(expected), (SPACING, SPACING), "anterior")
    scan = WholeBodyScan(case, front, mirror(behind))
    views = {"anterior": LesionView(mask, 4.0, 20.0, True), "posterior": LesionView(mask, 0.1, 2.0, False)}
    lesion = SimulatedLesion(1, "T5", 6.0, views)
    return SimulatedCase(scan, {}, (lesion,), ("degenerative L4",), {"clavicle_row": 90.0}, {"spacing_mm": SPACING})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(hospital, "simulate_case", fake_case)


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

    def breaks(case, seed):
        calls.append(case)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fake_case(case, seed)

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
        assert label.sum() == 24
        assert np.array_equal(label, (crop.instances["anterior"] == 1).any(0))
        assert crop.counts["anterior"][label].mean() > 80
        assert crop.counts["posterior"][label].mean() > 80
        assert not (crop.labels["posterior"] == LESION).any()
        place = "labelsTr" if case in cases_of(whole, "train") else "labelsTs"
        union = sitk.GetArrayFromImage(sitk.ReadImage(str(whole / place / f"{case}.nii.gz")))[0]
        assert np.array_equal(union, merge_labels(crop.labels.values()))


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
        assert scan.anterior.counts[round(j), round(i)] > 60


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
    from SpectBoneMetSegTrainingLib.phantom import dicom_nm

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
    from SpectBoneMetSegTrainingLib.phantom.dicom_nm import VARIANTS, write_nm_wholebody

    monkeypatch.undo()
    right, doubted = 0, 0
    for index in range(20):
        shape, spacing = MATRICES[index % len(MATRICES)]
        case = hospital.simulate_case(f"p{index}", (31, index), shape=shape, spacing=spacing, arms_up=index % 10 == 3)
        variant = VARIANTS[index % len(VARIANTS)]
        folder = variant in ("single-files", "image-id")
        path = tmp_path / f"p{index}" / ("" if folder else "scan.dcm")
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
    assert crop.counts["anterior"].shape == (256, 256)
    scan = read_scan(tmp_path / "set" / "dicom" / f"{case_name(asked, 0)}.dcm")
    again = hospital.simulate_case("again", (41, 0))
    assert np.array_equal(scan.anterior.counts, again.scan.anterior.counts)
    assert np.array_equal(scan.posterior.counts, again.scan.posterior.counts)
    assert read_json(tmp_path / "set" / "simulation.json")["version"] == population.SIMULATOR_VERSION
