"""Masks saved as pictures mark the view that their name states; coronal volumes hold one slice."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegTrainingLib.gathering.discovery.studies import find
from support.labels import blob_scan, maps_of, read

#: The hot spot of `blob_scan` in the anterior view's pixels.
SPOT = np.s_[10:14, 6:10]


def mask_of(scan, view, value=255):
    """The spot as it lies in the pixels of a view."""
    mask = np.zeros(scan.views[view].shape, np.uint8)
    mask[SPOT] = value
    return mask if view == "anterior" else np.ascontiguousarray(mask[:, ::-1])


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBA", "LA", "I;16"])
def test_a_mask_of_any_kind_of_picture_marks_its_view(tmp_path, mode):
    scan = blob_scan()
    picture = Image.fromarray(mask_of(scan, "anterior", 1 if mode == "P" else 255))
    if mode == "P":
        picture.putpalette([0, 0, 0, 200, 30, 30])
    elif mode == "I;16":
        picture = Image.fromarray(mask_of(scan, "anterior").astype(np.uint16))
    else:
        picture = picture.convert(mode)
    picture.save(tmp_path / "scan_anterior_mask.png")
    labels = read(scan, tmp_path / "scan_anterior_mask.png", views=["anterior"])
    assert labels.covers == {"anterior"}
    found = maps_of(labels, scan)["anterior"]
    assert found[SPOT].all()
    assert found.sum() == found[SPOT].sum()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_mask_of_the_view_from_behind_is_at_the_same_position_of_the_patient(tmp_path, suffix):
    scan = blob_scan()
    path = tmp_path / f"mask_posterior{suffix}"
    Image.fromarray(mask_of(scan, "posterior")).save(path)
    found = maps_of(read(scan, path, views=["posterior"]), scan)["posterior"]
    assert found[SPOT].all()
    assert found.sum() == found[SPOT].sum()


def test_every_value_of_a_mask_is_a_lesion_and_an_empty_one_says_that_there_is_none(tmp_path):
    scan, path = blob_scan(), tmp_path / "mask_anterior.png"
    pixels = mask_of(scan, "anterior", 1)
    pixels[30:33, 3:6] = 2
    Image.fromarray(pixels).save(path)
    assert [mark.name for mark in read(scan, path, views=["anterior"]).marks] == ["1", "2"]
    Image.fromarray(pixels * 0).save(path)
    labels = read(scan, path, views=["anterior"])
    assert labels.marks == ()
    assert labels.covers == {"anterior"}


@pytest.mark.parametrize(
    ("pixels", "view", "why"),
    [
        (np.zeros((40, 24), np.uint8), None, "does not state on which view"),
        (np.zeros((40, 48), np.uint8), "anterior", "48 x 40 pixels, the anterior view of blob has 24 x 40"),
        (np.full((40, 24), 9, np.uint8), "anterior", "appears to be an image of counts"),
        (np.random.default_rng(1).integers(0, 9, (40, 24, 3), np.uint8), "anterior", "coloured image and no mask"),
    ],
)
def test_what_is_no_mask_of_one_view_is_refused_in_one_sentence(tmp_path, pixels, view, why):
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    with pytest.raises(UserError, match=why):
        read(blob_scan(), tmp_path / "mask.png", views=[view])


def test_a_broken_mask_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "mask.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UserError, match="is damaged"):
        read(blob_scan(), tmp_path / "mask.png", views=["anterior"])


def test_a_mask_that_arrived_in_part_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 2, blob_scan().views["anterior"].shape, np.uint8)
    Image.fromarray(noise).save(tmp_path / "mask.png")
    content = (tmp_path / "mask.png").read_bytes()
    # Some programs reserve the whole file before they download it: its end is then zeros.
    for end in (b"", bytes(40)):
        (tmp_path / "mask.png").write_bytes(content[:-40] + end)
        with pytest.raises(UserError, match="is damaged"):
            read(blob_scan(), tmp_path / "mask.png", views=["anterior"])


def test_pictures_and_foreign_outlines_next_to_a_dicom_scan_are_labels_or_reported(study, tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "scan.dcm").write_bytes(study.path.read_bytes())
    names = ("scan_anterior_mask.png", "scan_anna_label_posterior.tif", "printed.png", "drawn.png", "scan_mask.mhd")
    for name in names:
        (folder / name).write_bytes(b"image")
    (folder / "drawn.json").write_text('{"shapes": [], "imageHeight": 1, "imageWidth": 1}')
    (folder / "scan.xml").write_text("<annotation/>")
    found = find([folder])
    (labelled,) = found.labelled
    files = {file.path.name: file.view for files in labelled.readers.values() for file in files}
    assert files == {
        "scan_anterior_mask.png": "anterior",
        "scan_anna_label_posterior.tif": "posterior",
        "scan_mask.mhd": None,
        "drawn.json": None,
    }
    assert "anna" in labelled.readers
    reported = {item.path.name: item for item in found.left_out}
    assert set(reported) == {"printed.png", "scan.xml"}
    assert not any(item.failed for item in found.left_out)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("head_first", [False, True])
def test_a_label_in_patient_axes_lies_on_the_scan_of_the_same_layout(tmp_path, mirrored, head_first):
    """Columns to the patient's left or right, rows along the body either way, one pixel thick from front to back."""
    counts = np.random.default_rng(1).poisson(9, (60, 16)).astype(np.int16)
    spot = np.zeros((60, 16), np.uint8)
    spot[5:9, 10:13] = 1
    for name, pixels in (("p_anterior.nrrd", counts), ("p_anterior_mask.nrrd", spot)):
        stored = pixels[:, ::-1] if mirrored else pixels
        stored = stored if head_first else stored[::-1]
        image = sitk.GetImageFromArray(np.ascontiguousarray(stored)[:, None, :])
        image.SetSpacing((9.0, 1.0, 9.0))
        image.SetDirection((-1.0 if mirrored else 1.0, 0, 0, 0, 1, 0, 0, 0, -1.0 if head_first else 1.0))
        sitk.WriteImage(image, str(tmp_path / name))
    scan = read_scan(tmp_path / "p_anterior.nrrd")
    assert np.array_equal(scan.anterior.counts, counts)
    (labelled,) = find([tmp_path]).labelled
    (files,) = labelled.readers.values()
    labels = read(scan, files[0].path)
    assert np.array_equal(labels.marks[0].mask, spot > 0)
    assert labels.covers == {"anterior"}
