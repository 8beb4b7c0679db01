"""Labels that lose all marks, name no view or are damaged never count as "no lesion" in training."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.gathering.formats.labelme import is_labelme, read_labelme
from support.labels import assert_per_view, blob_scan, read

SQUARE = [[3, 4], [6, 4], [6, 9], [3, 9]]


def labelme(path, *shapes, encoding="utf-8", **changes):
    content = {"shapes": list(shapes), "imageHeight": 40, "imageWidth": 24} | changes
    content = {key: value for key, value in content.items() if value is not None}
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    return path


def shape(kind="polygon", points=SQUARE, label="lesion", **more):
    return {"label": label, "shape_type": kind, "points": points, **more}


def segmentation(study, path, *, frames, change=lambda seg: None, kind="BINARY", value=1):
    """A segmentation of both views as acquired; `frames` is the reference of each frame."""
    scan = study.scan
    masks = np.stack([study.own[name] > 0 for name in scan.views]).astype(np.uint8)
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.66.4", generate_uid()
    seg = Dataset()
    seg.file_meta, seg.SOPClassUID, seg.SOPInstanceUID = meta, meta.MediaStorageSOPClassUID, generate_uid()
    seg.SegmentationType, seg.NumberOfFrames, (seg.Rows, seg.Columns) = kind, 2, masks.shape[1:]
    seg.SamplesPerPixel, seg.PhotometricInterpretation, seg.PixelRepresentation = 1, "MONOCHROME2", 0
    bits = 1 if kind == "BINARY" else 8
    seg.BitsAllocated, seg.BitsStored, seg.HighBit = bits, bits, bits - 1
    seg.PixelData = pack_bits(masks.ravel()) if bits == 1 else (masks * value).tobytes()
    seg.MaximumFractionalValue = 255
    segment, image, series = Dataset(), Dataset(), Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "lesion"
    image.ReferencedSOPInstanceUID = scan.source.sop_instance_uids[0]
    series.ReferencedInstanceSequence = [image]
    seg.SegmentSequence, seg.ReferencedSeriesSequence = [segment], [series]
    groups = []
    for numbers in frames:
        source, derivation, group = Dataset(), Dataset(), Dataset()
        source.ReferencedSOPInstanceUID = scan.source.sop_instance_uids[0]
        if numbers:
            source.ReferencedFrameNumber = numbers
        derivation.SourceImageSequence = [source]
        group.DerivationImageSequence = [derivation]
        groups.append(group)
    seg.PerFrameFunctionalGroupsSequence = groups
    change(seg)
    seg.save_as(path, enforce_file_format=True)
    return path


def numbers_of(study):
    """Frame number of each view in the scan's file."""
    frames = pydicom.dcmread(study.path).pixel_array
    return [
        1 + next(i for i, frame in enumerate(frames) if np.array_equal(frame, view.counts))
        for view in study.scan.views.values()
    ]


@pytest.mark.parametrize("frames", [[None, None], [[1, 2], [1, 2]]])
def test_a_segmentation_that_refers_to_the_whole_file_puts_nothing_on_a_guessed_view(study, tmp_path, frames):
    with pytest.raises(UserError, match=r"seg\.dcm does not state which view"):
        read(study.scan, segmentation(study, tmp_path / "seg.dcm", frames=frames))


def test_the_frames_references_suffice_without_those_of_the_series(study, tmp_path):
    def change(seg):
        del seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence

    assert_per_view(
        read(study.scan, segmentation(study, tmp_path / "seg.dcm", frames=numbers_of(study), change=change)), study
    )


def test_a_source_image_without_a_uid_is_refused_in_one_sentence(study, tmp_path):
    def change(seg):
        for group in seg.PerFrameFunctionalGroupsSequence:
            del group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID

    path = segmentation(study, tmp_path / "seg.dcm", frames=numbers_of(study), change=change)
    with pytest.raises(UserError, match=r"seg\.dcm does not state which view"):
        read(study.scan, path)


def test_fractions_of_0_and_1_are_marks_with_a_note(study, tmp_path):
    path = segmentation(study, tmp_path / "seg.dcm", frames=numbers_of(study), kind="FRACTIONAL", value=1)
    labels = read(study.scan, path)
    assert_per_view(labels, study)
    assert "1 was read as marked" in labels.notes[0]


def test_fractions_nowhere_above_half_are_refused(study, tmp_path):
    path = segmentation(study, tmp_path / "seg.dcm", frames=numbers_of(study), kind="FRACTIONAL", value=48)
    with pytest.raises(UserError, match=r"nowhere above half of its stated maximum \(48 of 255\)"):
        read(study.scan, path)


def two_slices(study, path, *, spacing=None, direction=None, order=1):
    """A label as tools write it that show the frames of a file as slices."""
    stored = dict(zip(numbers_of(study), study.scan.views, strict=True))
    layers = [(study.own[stored[number]] > 0).astype(np.uint8)[:, ::order] for number in sorted(stored)]
    image = sitk.GetImageFromArray(np.stack(layers))
    across = study.scan.frame.spacing
    image.SetSpacing((across[1], across[0], 1.0) if spacing is None else spacing)
    if direction is not None:
        image.SetDirection(direction)
    sitk.WriteImage(image, str(path))
    return path


def test_the_slices_of_a_label_are_the_frames_of_the_file(study, tmp_path):
    assert_per_view(read(study.scan, two_slices(study, tmp_path / "scan_mask.nii.gz")), study)


def test_slices_whose_columns_may_be_turned_are_refused(study, tmp_path):
    path = two_slices(study, tmp_path / "mask.nii.gz", direction=(-1, 0, 0, 0, -1, 0, 0, 0, 1), order=-1)
    with pytest.raises(UserError, match="left and right are not sure"):
        read(study.scan, path)


def test_more_slices_than_frames_are_refused(study, tmp_path):
    path = tmp_path / "mask.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, *study.scan.frame.shape), np.uint8)), str(path))
    with pytest.raises(UserError, match=r"mask\.nrrd holds 3 slices, not one"):
        read(study.scan, path)


def test_shapes_outside_of_the_picture_or_thinner_than_a_pixel_are_no_scan_without_lesion(tmp_path):
    far = shape(points=[[90, 90], [95, 90], [95, 95]])
    sliver = shape(points=[[3.6, 4.6], [9.4, 4.6], [9.4, 5.4], [3.6, 5.4]])
    for odd in (far, sliver):
        with pytest.raises(UserError, match="none marks a pixel"):
            read_labelme(labelme(tmp_path / "a.json", odd), blob_scan(), "anterior")
    notes: list[str] = []
    marks, _ = read_labelme(labelme(tmp_path / "a.json", shape(), far, sliver), blob_scan(), "anterior", notes)
    assert [mark.mask.sum() for mark in marks] == [15]
    assert "2 of 3 shapes" in notes[0]


def test_an_annotation_without_any_shape_still_says_that_there_is_no_lesion(tmp_path):
    assert read_labelme(labelme(tmp_path / "a.json"), blob_scan(), "anterior") == ([], frozenset(["anterior"]))


def test_one_invalid_shape_does_not_exclude_the_file(tmp_path):
    notes: list[str] = []
    path = labelme(tmp_path / "a.json", shape("point", [[3, 4]]), shape(), shape(points=[[1, 1], [2, 2]]))
    marks, _ = read_labelme(path, blob_scan(), "anterior", notes)
    assert [mark.mask.sum() for mark in marks] == [15]
    assert "point of 1 points" in notes[0]
    assert "ignored" in notes[0]


@pytest.mark.parametrize("kind", ["rectangle", "rotation"])
def test_turned_rectangles_have_four_corners(tmp_path, kind):
    (mark,), _ = read_labelme(labelme(tmp_path / "a.json", shape(kind)), blob_scan(), "anterior")
    assert mark.mask[4:9, 3:6].all()
    assert mark.mask.sum() == 15


def test_a_mask_lies_from_its_first_point_on(tmp_path):
    drawn = np.zeros((5, 3), np.uint8)
    drawn[1:] = 255
    buffer = io.BytesIO()
    Image.fromarray(drawn).save(buffer, "PNG")
    text = base64.b64encode(buffer.getvalue()).decode()
    path = labelme(tmp_path / "a.json", shape("mask", [[3, 4], [5, 8]], mask=text))
    (mark,), _ = read_labelme(path, blob_scan(), "anterior")
    expected = np.zeros((40, 24), bool)
    expected[5:9, 3:6] = True
    np.testing.assert_array_equal(mark.mask, expected)


@pytest.mark.parametrize(
    ("encoding", "name"), [("utf-8-sig", "转移灶"), ("gbk", "转移灶"), ("cp1252", "Läsion"), ("utf-16", "Läsion")]
)
def test_annotations_are_read_in_the_encoding_of_any_windows(tmp_path, encoding, name):
    path = labelme(tmp_path / "a.json", shape(label=name), encoding=encoding)
    assert is_labelme(path)
    (mark,), _ = read_labelme(path, blob_scan(), "anterior")
    assert (mark.name, mark.mask.sum()) == (name, 15)


def test_the_picture_next_to_an_annotation_without_a_size_gives_it(tmp_path):
    path = labelme(tmp_path / "a.json", shape(), imageHeight=None, imageWidth=None, imagePath="..\\png\\a.png")
    assert is_labelme(path)
    with pytest.raises(UserError, match=r"a\.json does not state how large its image was"):
        read_labelme(path, blob_scan(), "anterior")
    Image.fromarray(np.zeros((40, 24), np.uint8)).save(tmp_path / "a.png")
    (mark,), _ = read_labelme(path, blob_scan(), "anterior")
    assert mark.mask.sum() == 15


def test_a_segmentation_whose_values_no_segment_has_is_refused(study, tmp_path):
    from SpectBoneMetSegLib.export.volumes import ijk_to_lps

    lps = ijk_to_lps(study.scan.frame.ijk_to_ras)
    steps = np.linalg.norm(lps[:3, :3], axis=0)
    image = sitk.GetImageFromArray((study.union > 0).astype(np.uint8)[None])
    image.SetSpacing(steps.tolist())
    image.SetDirection((lps[:3, :3] / steps).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    for key, value in {"Name": "lesion", "Layer": "0", "LabelValue": "2"}.items():
        image.SetMetaData(f"Segment0_{key}", value)
    path = tmp_path / "scan.seg.nrrd"
    sitk.WriteImage(image, str(path))
    with pytest.raises(UserError, match=r"scan\.seg\.nrrd was painted, but nothing of it"):
        read(study.scan, path)
