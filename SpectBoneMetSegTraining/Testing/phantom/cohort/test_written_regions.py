"""A simulated data set holds region maps of every labelled case, each view in its own grid."""

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from SpectBoneMetSegTrainingLib.phantom.cohort.population import write_simulated


def test_both_views_are_written_as_they_were_acquired(patient, tmp_path):
    write_simulated(tmp_path, "train", patient, {}, (1, 2), dicom=False)
    folder = tmp_path / "regions" / patient.scan.case
    front, back = (sitk.ReadImage(str(folder / f"regions_{view}.nrrd")) for view in ("anterior", "posterior"))
    assert np.array_equal(sitk.GetArrayFromImage(front)[0], patient.regions["anterior"])
    assert np.array_equal(sitk.GetArrayFromImage(back)[0], patient.regions["posterior"][:, ::-1])
    # The patient's right is at positive R, that is at negative LPS x, in front and behind.
    for image in (front, back):
        spots = np.argwhere(sitk.GetArrayFromImage(image)[0] == 57)
        assert all(image.TransformIndexToPhysicalPoint((int(c), int(r), 0))[0] < 20 for r, c in spots[::9])


def test_an_unlabelled_case_keeps_its_regions_to_itself(patient, tmp_path):
    write_simulated(tmp_path, "unlabelled", patient, {}, (1, 2), dicom=False)
    assert not (tmp_path / "regions").exists()
