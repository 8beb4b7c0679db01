"""Make the sample study in Resources/Sample: one simulated patient and the consensus of three simulated readers.

    python -m SpectBoneMetSegTrainingLib.phantom.cohort.make_sample Resources/Sample

The patient's seed differs from all seeds of training sets (which start with the data set's number), and the body shape
is held out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ...dataset.cases import label_map, merge_labels
from ...dataset.files import write_image, write_json
from ..scan.dicom_nm import write_nm_wholebody
from ..scan.readers import consensus
from ..scan.simulate import simulate_case
from .population import READER_STREAM, agreed_instances

SEED = (424242, 28)


def main(folder: str) -> None:
    """Write simulated_scan.dcm (RLE), truth.nii.gz (union of both views, anterior frame) and truth.json."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    case = simulate_case(
        "simulated_scan", SEED, positive=True, shape=(1024, 256), spacing=2.26, arms_up=False, held_out=True
    )
    write_nm_wholebody(target / "simulated_scan.dcm", case.scan, patient_id="SAMPLE", uid_text="sample", variant="rle")
    frame = case.scan.frame
    lesions = agreed_instances(case, consensus(case, (*SEED, READER_STREAM, 0)))
    truth = merge_labels(label_map(lesions, view, frame.shape) for view in case.scan.views)
    write_image(target / "truth.nii.gz", truth, frame, frame.origin)
    records = [{"id": item.id, "bone": item.about["bone"], "labelled": item.labelled} for item in lesions]
    write_json(target / "truth.json", {"data": "simulated", "lesions": records, "mimics": list(case.mimics)})


if __name__ == "__main__":
    main(*sys.argv[1:])
