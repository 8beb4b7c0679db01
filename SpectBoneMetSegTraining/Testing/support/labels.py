"""Reading labels back onto the scan they were drawn on."""

from __future__ import annotations

import numpy as np
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan
from SpectBoneMetSegTrainingLib.dataset.cases import label_map
from SpectBoneMetSegTrainingLib.gathering.formats.read_labels import read_labels
from SpectBoneMetSegTrainingLib.gathering.labels.marks import LabelFile, instances_of


def maps_of(labels, scan):
    """{view: label map} that a data set would hold."""
    instances = instances_of(labels, scan)
    return {name: label_map(instances, name, scan.frame.shape) for name in scan.views}


def read(scan, *files, views=None):
    views = views or [None] * len(files)
    return read_labels([LabelFile(path, view) for path, view in zip(files, views, strict=True)], scan, "reader")


def assert_per_view(labels, study):
    found = maps_of(labels, study.scan)
    for name, ids in study.ids.items():
        np.testing.assert_array_equal(found[name], ids > 0)


def blob_scan(*, anterior=True, posterior=True):
    """A disc with a hot spot at (12, 8); either view may show it."""
    counts = np.full((40, 24), 20.0, np.float32)
    hot = counts.copy()
    hot[10:14, 6:10] = 200
    front = PlanarView(hot if anterior else counts, (4.0, 4.0), "anterior")
    back = PlanarView((hot if posterior else counts)[:, ::-1], (4.0, 4.0), "posterior")
    return WholeBodyScan("blob", front, back)
