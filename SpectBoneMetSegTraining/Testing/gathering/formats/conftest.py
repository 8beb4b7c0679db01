"""Fixtures of the tests in this folder."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody


@pytest.fixture(scope="module")
def study(patient, tmp_path_factory):
    """A simulated scan as DICOM, and its lesions: {view: (rows, columns) IDs on the anterior frame}."""
    path = tmp_path_factory.mktemp("study") / "scan.dcm"
    write_nm_wholebody(path, patient.scan, patient_id="P1", uid_text="formats")
    scan = read_scan(path)
    ids = {name: np.zeros(scan.frame.shape, np.uint16) for name in scan.views}
    for lesion in patient.lesions:
        for name, shown in lesion.views.items():
            ids[name][shown.mask] = lesion.id
    assert all(layer.any() for layer in ids.values())
    assert (ids["anterior"] != ids["posterior"]).any()
    own = {"anterior": ids["anterior"], "posterior": np.ascontiguousarray(ids["posterior"][:, ::-1])}
    return SimpleNamespace(path=path, scan=scan, ids=ids, own=own, union=np.maximum(*ids.values()))
