"""Influence of metastases on the level that counts are divided by: posterior thoraxes of stored simulated patients.

spectbonemetseg simulate --store --patients 120 --seed 7 --output STORE
python Testing/benchmarks/levels.py STORE
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from SpectBoneMetSegLib.model.config import BODY_LEVEL, SOFT_TISSUE_LEVEL
from SpectBoneMetSegLib.model.inputs import body_scale
from SpectBoneMetSegTrainingLib.phantom.store.compose import draw_composition, expected_counts, sum_projections
from SpectBoneMetSegTrainingLib.phantom.store.crops import FOLDER, window_of
from SpectBoneMetSegTrainingLib.phantom.store.files import read_patient
from SpectBoneMetSegTrainingLib.phantom.store.layers import Disease, StoredPatient

LEVELS = {"body": BODY_LEVEL, "soft tissue": SOFT_TISSUE_LEVEL}
SHOWN = (50, 75, 95)


def levels_of(patient: StoredPatient, disease: Disease) -> dict[str, float]:
    """Return the levels of a patient's noise-free thorax with all lesions of a disease, per unit of activity.

    Soft tissue has the same activity with and without lesions.
    """
    lesions = disease.lesions
    drawn = replace(
        draw_composition(patient, np.random.default_rng(0), diseased=False),
        body=(1.0,) * len(patient.body),
        mimics=(0.0,) * len(patient.mimics),
        lesions=lesions,
        weights=(1.0,) * len(lesions),
        camera=patient.camera,
    )
    healthy, own = expected_counts(patient, drawn, window_of(patient.thorax))
    image = healthy["posterior"] + sum_projections(own["posterior"], healthy["posterior"].shape)
    activity = sum(float(part.views["anterior"][1].sum()) for part in (*patient.body, *lesions))
    return {name: body_scale(image * activity, scaling) for name, scaling in LEVELS.items()}


def main() -> None:
    """Print a table."""
    lifts: dict[str, list[dict[str, float]]] = {"foci": [], "diffuse": []}
    patients = sorted((Path(sys.argv[1]) / FOLDER).glob("*.npz"))
    for path in patients:
        patient = read_patient(path)
        without = levels_of(patient, Disease("", ()))
        for disease in patient.diseases:
            found = levels_of(patient, disease)
            lift = {name: found[name] / without[name] for name in LEVELS}
            lifts["foci" if disease.pattern == "foci" else "diffuse"].append(lift)
    print(f"level with metastases / without, {len(patients)} simulated patients; percentiles {SHOWN}")
    for pattern, found in lifts.items():
        for name in LEVELS:
            shown = " ".join(f"{value:.2f}" for value in np.percentile([lift[name] for lift in found], SHOWN))
            print(f"{pattern:8} {len(found):4} diseases  {name:12} {shown}")


if __name__ == "__main__":
    main()
