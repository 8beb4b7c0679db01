"""Make the sample study in Resources/Sample: one simulated patient and its truth.

    python -m SpectBoneMetSegTrainingLib.phantom.make_sample Resources/Sample

The patient's seed is no seed of a training set (those start with the data set's own number).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ..dataset import IGNORE, LESION, write_image, write_json
from .dicom_nm import write_nm_wholebody
from .hospital import simulate_case

SEED = (424242, 1)


def main(folder: str) -> None:
    """Write simulated_scan.dcm (RLE), truth.nii.gz (union of both views, anterior frame) and truth.json."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    case = simulate_case("simulated_scan", SEED, positive=True, arms_up=False)
    write_nm_wholebody(target / "simulated_scan.dcm", case.scan, patient_id="SAMPLE", uid_text="sample", variant="rle")
    assert case.scan.anterior is not None
    truth = np.zeros(case.scan.anterior.shape, np.uint8)
    for wanted, value in ((False, IGNORE), (True, LESION)):
        for lesion in case.lesions:
            for view in lesion.views.values():
                if view.visible is wanted:
                    truth[view.mask] = value
    write_image(target / "truth.nii.gz", truth, case.scan.anterior, case.scan.anterior.origin)
    lesions = [
        {"id": item.id, "bone": item.bone, "labelled": {name: view.visible for name, view in item.views.items()}}
        for item in case.lesions
    ]
    write_json(target / "truth.json", {"data": "simulated", "lesions": lesions, "mimics": list(case.mimics)})


if __name__ == "__main__":
    main(*sys.argv[1:])
