"""Cases of any pixel size on the grid the network works on."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.scan.boxes import cut
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegLib.scan.regrid import regrid
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop
from SpectBoneMetSegTrainingLib.dataset.cases import (
    LESION,
    Instance,
    load_case,
)
from SpectBoneMetSegTrainingLib.dataset.files import read_image
from SpectBoneMetSegTrainingLib.dataset.reference_grid import place_crop
from support.datasets import CROP, ODD_SPACING, make_scan, write


def test_a_crop_in_other_pixels_is_read_as_the_reading_pipeline_would_cut_it(tmp_path):
    scan = write(tmp_path, make_scan(spacing=ODD_SPACING))
    crop = load_case(tmp_path, "a")
    for name, view in (("anterior", scan.anterior), ("posterior", mirror(scan.posterior))):
        wanted = cut(regrid(view).counts, CROP.rows, CROP.columns)
        assert crop.counts[name].shape == wanted.shape == (24, 24)
        assert crop.counts[name] == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    stored = sitk.ReadImage(str(tmp_path / "imagesTr" / "a_0000.nii.gz"))
    # The box's 54.24 mm are 21.7 rows of 2.5 mm and 27.1 columns of 2 mm: what they touch is stored.
    assert (stored.GetSize()[1], stored.GetSize()[0]) == (22, 28)


@given(
    st.tuples(st.integers(20, 60), st.integers(20, 60)),
    st.tuples(st.floats(1.5, 5.0), st.floats(1.5, 5.0)),
    st.integers(0, 99),
)
def test_regridding_a_crop_that_covers_the_field_keeps_all_counts(shape, spacing, seed):
    frame = PlanarView(np.random.default_rng(seed).poisson(20, shape).astype(np.float32), spacing, "anterior")
    rows, columns = regrid(frame).shape
    place = place_crop(frame, ((0, rows), (0, columns)))
    assert place.own[0][0] <= 0
    assert place.own[0][1] >= shape[0]
    assert place.counts(cut(frame.counts, *place.own)).sum() == pytest.approx(frame.counts.sum(), rel=1e-5)


@given(st.tuples(st.floats(1.5, 5.0), st.floats(1.5, 5.0)), st.integers(2, 20), st.integers(4, 12), st.integers(-3, 8))
def test_a_reference_pixel_belongs_to_the_lesion_that_covers_more_than_half_of_it(spacing, first, size, left):
    frame = PlanarView(np.zeros((40, 30), np.float32), spacing, "anterior")
    mask = np.zeros(frame.shape, bool)
    mask[first : first + size, 5 : 5 + size] = True
    place = place_crop(frame, ((3, 35), (left, left + 16)))
    found = place.layers(mask[None].astype(np.uint16) * 7, [7])[0]
    work = regrid(frame.with_counts(mask.astype(np.float32)))
    share = spacing[0] * spacing[1] / (work.spacing[0] * work.spacing[1])
    covered = cut(work.counts * share, *place.reference)
    unclear = np.abs(covered - 0.5) < 1e-4
    assert np.array_equal((found == 7)[~unclear], (covered > 0.5)[~unclear])


def test_a_lesion_keeps_its_area_on_the_reference_grid_and_its_pixels_in_the_label_file(tmp_path):
    for number, spacing in enumerate((2.0, 2.4, 2.8)):
        shape = (round(180 / spacing), round(120 / spacing))
        frame = PlanarView(np.ones(shape), (spacing, spacing), "anterior")
        rows, columns = np.indices(shape)
        # Off the middle, where the rim would fall alike on all sides.
        middle = (np.array(shape) - 1) / 2 + (0.3, 1.2)
        disc = np.hypot(rows - middle[0], columns - middle[1]) * spacing < 20
        case = f"c{number}"
        scan = WholeBodyScan(case, frame, None)
        found = [Instance(1, {"anterior": disc}, {"anterior": True}, {})]
        write(tmp_path, scan, instances=found, crop=ThoraxCrop((10, 70), (0, 50), 1.0))
        label = load_case(tmp_path, case).labels["anterior"] == LESION
        assert label.sum() * 2.26**2 == pytest.approx(disc.sum() * spacing**2, rel=0.04)
        union = read_image(tmp_path / "labelsTr" / f"{case}.nii.gz")[0]
        assert (union == LESION).sum() == disc.sum()
