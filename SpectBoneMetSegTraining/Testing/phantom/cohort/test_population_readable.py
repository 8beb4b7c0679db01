"""Simulated patients are read like real ones."""

from __future__ import annotations

import numpy as np
import pytest
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.scan.aggregation import aggregate
from SpectBoneMetSegLib.scan.regrid import regrid
from SpectBoneMetSegLib.scan.thorax import LOW_CONFIDENCE, crop_thorax
from SpectBoneMetSegTrainingLib.dataset.cases import (
    load_case,
    read_json,
)
from SpectBoneMetSegTrainingLib.phantom.cohort import population
from SpectBoneMetSegTrainingLib.phantom.cohort.population import (
    Population,
    case_name,
    simulate_population,
)
from SpectBoneMetSegTrainingLib.phantom.scan import simulate as simulate_module

pytestmark = pytest.mark.usefixtures("quick")


def crop_is_right(crop, landmarks, columns):
    middle = (crop.columns[0] + crop.columns[1] - 1) / 2
    return (
        landmarks["clavicle_row"] - 75 <= crop.rows[0] <= landmarks["clavicle_row"] - 12
        and crop.rows[1] >= landmarks["last_rib_row"] + 8
        # A box as wide as the field cannot follow a patient who lies off its centre, and need not.
        and (crop.columns == (0, columns) or abs(middle - landmarks["thoracic_spine_column"]) <= 18)
    )


#: (rows, columns), mm: the paper's matrix, its half, and other makers'.
MATRICES = (((1024, 256), 2.26), ((512, 128), 4.52), ((1024, 256), 2.4), ((900, 220), 2.8), ((1200, 320), 1.95))


@pytest.mark.slow
def test_nineteen_of_twenty_simulated_patients_are_cropped_right_from_their_dicom_files(tmp_path, monkeypatch):
    from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import FOLDER_VARIANTS, VARIANTS, write_nm_wholebody

    monkeypatch.undo()
    right, doubted = 0, 0
    for index in range(20):
        shape, spacing = MATRICES[index % len(MATRICES)]
        case = simulate_module.simulate_case(
            f"p{index}", (31, index), shape=shape, spacing=spacing, arms_up=index % 10 == 3
        )
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
    # Warnings must stay rare.
    assert doubted <= 3


def at_working_size(landmarks, frame, work):
    """Convert landmarks from pixels of `frame` to pixels of `work`; both fields have the same centre."""
    moved = {}
    for name, value in landmarks.items():
        axis = int(name.endswith("column"))
        middle = (frame.shape[axis] - 1) / 2
        moved[name] = (value - middle) * frame.spacing[axis] / work.spacing[axis] + (work.shape[axis] - 1) / 2
    return moved


@pytest.mark.slow
def test_real_simulated_patients_make_a_readable_data_set(tmp_path, monkeypatch):
    monkeypatch.undo()
    request = Population(2, seed=41, unlabelled=1, test_share=0.5)
    simulate_population(tmp_path / "set", request)
    crop = load_case(tmp_path / "set", case_name(request, 0))
    assert {image.shape for image in crop.counts.values()} == {(256, 256)}
    again = simulate_module.simulate_case("again", (41, 0))
    files = tmp_path / "set" / "dicom" / case_name(request, 0)
    scan = read_scan(files if files.is_dir() else files.with_suffix(".dcm"))
    assert set(scan.views) == set(again.scan.views) == set(crop.counts)
    for name, view in again.scan.views.items():
        assert np.array_equal(scan.views[name].counts, view.counts)
    assert read_json(tmp_path / "set" / "simulation.json")["version"] == population.SIMULATOR_VERSION
