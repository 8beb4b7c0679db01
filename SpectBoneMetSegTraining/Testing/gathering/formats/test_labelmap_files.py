"""Labels in every format come back pixel for pixel, and what is no label of this scan is refused in one sentence."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.export.volumes import ijk_to_lps, write_volume
from SpectBoneMetSegLib.lesions.components import number_lesions
from SpectBoneMetSegLib.loading import read_files
from SpectBoneMetSegTrainingLib.gathering.labels.marks import instances_of
from support.labels import assert_per_view, blob_scan, maps_of, read


def write_nifti(pixels, view, path):
    lps = ijk_to_lps(view.ijk_to_ras)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = sitk.GetImageFromArray(pixels[None])
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    sitk.WriteImage(image, str(path))


def test_labelmaps_per_view_come_back_pixel_for_pixel(study, tmp_path):
    files = []
    for name, ids in study.own.items():
        files.append(tmp_path / f"{name}.nrrd")
        write_volume(ids, study.scan.views[name].ijk_to_ras, str(files[-1]))
    labels = read(study.scan, *files, views=["anterior", "posterior"])
    assert_per_view(labels, study)
    assert labels.covers == {"anterior", "posterior"}


def test_nifti_per_view_comes_back_pixel_for_pixel(study, tmp_path):
    files = []
    for name, ids in study.own.items():
        files.append(tmp_path / f"{name}.nii.gz")
        write_nifti(ids.astype(np.int16), study.scan.views[name], files[-1])
    assert_per_view(read(study.scan, *files, views=["anterior", None]), study)


def test_a_view_without_labels_is_ignored_completely(study, tmp_path):
    write_volume(study.own["posterior"], study.scan.views["posterior"].ijk_to_ras, str(tmp_path / "p.nrrd"))
    maps = maps_of(read(study.scan, tmp_path / "p.nrrd"), study.scan)
    assert (maps["anterior"] == 2).all()
    np.testing.assert_array_equal(maps["posterior"], study.ids["posterior"] > 0)


def test_an_empty_label_says_that_there_is_no_lesion(study, tmp_path):
    write_volume(np.zeros(study.scan.frame.shape, np.uint8), study.scan.frame.ijk_to_ras, str(tmp_path / "e.nrrd"))
    assert instances_of(read(study.scan, tmp_path / "e.nrrd"), study.scan) == []


def test_two_labels_of_one_reader_for_one_view_are_refused(study, tmp_path):
    for name in ("one.nrrd", "two.nrrd"):
        write_volume(study.union.astype(np.uint8), study.scan.frame.ijk_to_ras, str(tmp_path / name))
    with pytest.raises(UserError, match=r"one\.nrrd and two\.nrrd of one reader both mark"):
        read(study.scan, tmp_path / "one.nrrd", tmp_path / "two.nrrd")


def test_a_label_without_patient_space_fits_the_picture_it_was_drawn_on(tmp_path):
    scan = blob_scan()
    for name, view in scan.views.items():
        image = sitk.GetImageFromArray(view.counts[None])
        image.SetSpacing((4.0, 4.0, 1.0))
        sitk.WriteImage(image, str(tmp_path / f"p_{name}.nii.gz"))
    read_back = read_files([tmp_path / "p_anterior.nii.gz", tmp_path / "p_posterior.nii.gz"])
    mask = np.zeros(scan.frame.shape, np.uint8)
    mask[2, 3] = 1
    label = sitk.GetImageFromArray(mask[None])
    label.SetSpacing((4.0, 4.0, 1.0))
    sitk.WriteImage(label, str(tmp_path / "p_posterior_mask.nii.gz"))
    with pytest.raises(UserError, match="named posterior but lies on the image p_anterior"):
        read(read_back, tmp_path / "p_posterior_mask.nii.gz", views=["posterior"])
    labels = read(read_back, tmp_path / "p_posterior_mask.nii.gz")
    assert labels.covers == {"anterior"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.nrrd", b"NRRD0004\nnonsense"),
        ("a.seg.nrrd", b""),
        ("a.nii.gz", b"\x1f\x8b not zipped"),
        ("a.json", b"{"),
        ("a.json", b"[1, 2]"),
        ("a.json", b'{"shapes": [7], "imageHeight": 40, "imageWidth": 24}'),
        ("a.json", b'{"shapes": [{"points": "x"}], "imageHeight": 40, "imageWidth": 24}'),
        ("a.dcm", base64.b64decode("AAAA")),
        ("a.txt", b"lesion at T5"),
    ],
)
def test_damaged_files_are_refused_in_one_sentence_that_names_them(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name.replace(".", r"\.")) as caught:
        read(blob_scan(), tmp_path / name, views=["anterior"])
    assert "\n" not in str(caught.value)


def test_counts_and_stacks_are_no_labels(tmp_path):
    scan = blob_scan()
    write_volume(np.full((40, 24), 0.3, np.float32), scan.frame.ijk_to_ras, str(tmp_path / "p.nrrd"))
    with pytest.raises(UserError, match=r"p\.nrrd is no labelmap"):
        read(scan, tmp_path / "p.nrrd")
    write_volume(scan.anterior.counts.astype(np.uint16), scan.frame.ijk_to_ras, str(tmp_path / "c.nrrd"))
    with pytest.raises(UserError, match=r"c\.nrrd appears to be an image of counts"):
        read(scan, tmp_path / "c.nrrd")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 40, 24), np.uint8)), str(tmp_path / "s.nrrd"))
    with pytest.raises(UserError, match=r"s\.nrrd holds 3 slices"):
        read(scan, tmp_path / "s.nrrd")


def test_lesions_are_numbered_from_head_to_foot_and_linked_across_views(study, tmp_path):
    files = []
    for name, ids in study.own.items():
        files.append(tmp_path / f"{name}.nrrd")
        write_volume(ids, study.scan.views[name].ijk_to_ras, str(files[-1]))
    found = instances_of(read(study.scan, *files, views=["anterior", "posterior"]), study.scan)
    heights = [np.nonzero(np.any(list(item.masks.values()), axis=0))[0].mean() for item in found]
    assert heights == sorted(heights)
    assert [item.id for item in found] == list(range(1, len(found) + 1))
    assert any(len(item.masks) == 2 for item in found)
    assert number_lesions(study.union).max() <= len(found)
