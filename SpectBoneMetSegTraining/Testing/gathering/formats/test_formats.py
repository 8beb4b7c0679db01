"""Labels in every format come back pixel for pixel, and what is no label of this scan is refused in one sentence."""

import base64
import json
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.export.volumes import ijk_to_lps, write_volume
from SpectBoneMetSegLib.lesions.components import number_lesions, outlines_of
from SpectBoneMetSegLib.loading import read_files, read_scan
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan
from SpectBoneMetSegTrainingLib.dataset.cases import label_map, merge_labels
from SpectBoneMetSegTrainingLib.gathering.formats.labelme import read_labelme
from SpectBoneMetSegTrainingLib.gathering.formats.read_labels import read_labels
from SpectBoneMetSegTrainingLib.gathering.labels.marks import LabelFile, instances_of
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody

SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"


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


def write_nifti(pixels, view, path):
    lps = ijk_to_lps(view.ijk_to_ras)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = sitk.GetImageFromArray(pixels[None])
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    sitk.WriteImage(image, str(path))


def write_labelme(ids, path, **changes):
    shapes = [
        {"label": "lesion", "points": (piece[:, ::-1] + 0.5).tolist(), "shape_type": "polygon"}
        for pieces in outlines_of(ids).values()
        for piece in pieces
    ]
    content = {"version": "5.4", "shapes": shapes, "imageHeight": ids.shape[0], "imageWidth": ids.shape[1]}
    path.write_text(json.dumps({**content, **changes}))
    return path


def write_dicom_seg(frames, path, *, sources=None, planes=None, kind="BINARY"):
    """A DICOM segmentation.

    Args:
        frames: [(segment number, (rows, columns) mask)]; of a label map [(0, segment numbers)].
        sources: per frame (SOP UID, frame number). planes: per frame a view whose place is stated.
    """
    rows, columns = frames[0][1].shape
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, SEG_CLASS
    meta.MediaStorageSOPInstanceUID = generate_uid()
    seg = Dataset()
    seg.file_meta = meta
    seg.SOPClassUID, seg.SOPInstanceUID, seg.Modality = SEG_CLASS, meta.MediaStorageSOPInstanceUID, "SEG"
    seg.SegmentationType, seg.NumberOfFrames, seg.Rows, seg.Columns = kind, len(frames), rows, columns
    seg.SamplesPerPixel, seg.PhotometricInterpretation, seg.PixelRepresentation = 1, "MONOCHROME2", 0
    seg.SegmentSequence = []
    for number in sorted({number for number, _ in frames}):
        segment = Dataset()
        segment.SegmentNumber, segment.SegmentLabel = number, "ignore" if number == 99 else "lesion"
        seg.SegmentSequence.append(segment)
    seg.PerFrameFunctionalGroupsSequence = []
    for index, (number, _) in enumerate(frames):
        group, which = Dataset(), Dataset()
        which.ReferencedSegmentNumber = number
        if number:
            group.SegmentIdentificationSequence = [which]
        if sources:
            image, derivation = Dataset(), Dataset()
            image.ReferencedSOPInstanceUID, image.ReferencedFrameNumber = sources[index]
            derivation.SourceImageSequence = [image]
            group.DerivationImageSequence = [derivation]
        if planes:
            lps = ijk_to_lps(planes[index].ijk_to_ras)
            position, orientation, measures = Dataset(), Dataset(), Dataset()
            spacing = np.linalg.norm(lps[:3, :2], axis=0)
            position.ImagePositionPatient = lps[:3, 3].tolist()
            orientation.ImageOrientationPatient = (lps[:3, :2] / spacing).T.ravel().tolist()
            measures.PixelSpacing = [float(spacing[1]), float(spacing[0])]
            group.PlanePositionSequence, group.PlaneOrientationSequence = [position], [orientation]
            group.PixelMeasuresSequence = [measures]
        seg.PerFrameFunctionalGroupsSequence.append(group)
    stack = np.stack([mask for _, mask in frames])
    if kind == "BINARY":
        seg.BitsAllocated = seg.BitsStored = 1
        seg.HighBit, seg.PixelData = 0, pack_bits(stack.astype(np.uint8).ravel())
    else:
        seg.BitsAllocated = seg.BitsStored = 8
        seg.HighBit, seg.MaximumFractionalValue = 7, 200
        seg.PixelData = (stack * (150 if kind == "FRACTIONAL" else 1)).astype(np.uint8).tobytes()
    seg.save_as(path, enforce_file_format=True)
    return path


def source_frames(scan):
    """(SOP UID, frame number) of each view of a two-frame file, found by its counts."""
    (file,), (uid,) = scan.source.files, scan.source.sop_instance_uids
    frames = pydicom.dcmread(file).pixel_array
    return {
        name: (uid, 1 + next(i for i, frame in enumerate(frames) if np.array_equal(frame, view.counts)))
        for name, view in scan.views.items()
    }


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


def test_polygons_around_pixels_mark_just_these(study, tmp_path):
    files = [write_labelme(ids, tmp_path / f"{name}.json") for name, ids in study.own.items()]
    assert_per_view(read(study.scan, *files, views=["anterior", "posterior"]), study)


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_a_dicom_segmentation_that_names_its_frames_comes_back_pixel_for_pixel(study, tmp_path, kind):
    frames, sources, where = [], [], source_frames(study.scan)
    for name, ids in study.own.items():
        for number in np.unique(ids[ids > 0]).tolist():
            frames.append((number, ids == number))
            sources.append(where[name])
    assert_per_view(read(study.scan, write_dicom_seg(frames, tmp_path / "seg.dcm", sources=sources, kind=kind)), study)


def test_a_dicom_label_map_comes_back_pixel_for_pixel(study, tmp_path):
    where = source_frames(study.scan)
    path = tmp_path / "seg.dcm"
    write_dicom_seg([(0, ids) for ids in study.own.values()], path, sources=list(where.values()), kind="LABELMAP")
    assert_per_view(read(study.scan, path), study)


def test_a_dicom_segmentation_that_states_its_place_comes_back_pixel_for_pixel(study, tmp_path):
    frames = [(1, ids > 0) for ids in study.own.values()]
    # With a mark on the anterior view's grid alone it would be the union of both.
    planes = [study.scan.views["posterior"]]
    path = write_dicom_seg(frames[1:], tmp_path / "seg.dcm", planes=planes)
    labels = read(study.scan, path)
    assert labels.covers == {"posterior"}
    np.testing.assert_array_equal(maps_of(labels, study.scan)["posterior"], study.ids["posterior"] > 0)


def test_a_dicom_segmentation_of_another_image_is_refused(study, tmp_path):
    ids = study.own["anterior"]
    path = write_dicom_seg([(1, ids > 0)], tmp_path / "seg.dcm", sources=[(generate_uid(), 1)])
    with pytest.raises(UserError, match=r"seg\.dcm .*another image"):
        read(study.scan, path)


def test_a_slicer_segmentation_marks_the_union_of_both_views_pixel_for_pixel(study, tmp_path):
    import slicerio

    path = tmp_path / "reader.seg.nrrd"
    numbers = np.unique(study.union[study.union > 0]).tolist()
    segmentation = {
        # slicerio's arrays run (i, j, k).
        "voxels": study.union.T[:, :, None].astype(np.int16),
        "ijkToLPS": ijk_to_lps(study.scan.frame.ijk_to_ras),
        "encoding": "gzip",
        "segments": [
            {"id": f"Segment_{n}", "name": f"focus {n}", "labelValue": n, "layer": 0, "color": [1, 0, 0]}
            for n in numbers
        ],
        "containedRepresentationNames": ["Binary labelmap"],
        "sourceRepresentation": "Binary labelmap",
    }
    slicerio.write_segmentation(str(path), segmentation)
    labels = read(study.scan, path)
    assert labels.covers == {None}
    maps = maps_of(labels, study.scan)
    np.testing.assert_array_equal(merge_labels(maps.values()) == 1, study.union > 0)


def layered_segmentation(layers, frame, path, names):
    """Overlapping segments lie in layers of one vector image; this is how Slicer stores them."""
    image = sitk.GetImageFromArray(np.stack(layers, axis=-1)[None].astype(np.uint8), isVector=True)
    lps = ijk_to_lps(frame.ijk_to_ras)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    for index, name in enumerate(names):
        for key, value in (("Name", name), ("LabelValue", "1"), ("Layer", str(index)), ("ID", f"s{index}")):
            image.SetMetaData(f"Segment{index}_{key}", value)
    sitk.WriteImage(image, str(path))
    return path


def test_overlapping_segments_stay_two_lesions_and_ignore_counts_neither_way(tmp_path):
    scan = blob_scan()
    one, two, three = (np.zeros(scan.frame.shape, bool) for _ in range(3))
    one[5:9, 5:9] = two[7:12, 7:12] = three[20:23, 5:9] = True
    path = layered_segmentation([one, two, three], scan.frame, tmp_path / "a.seg.nrrd", ["a", "b", "Ignore"])
    found = instances_of(read(scan, path, views=["anterior"]), scan)
    lesions = [item for item in found if item.about["source"] != "not labelled"]
    assert [item.labelled for item in lesions] == [{"anterior": True}, {"anterior": True}, {"anterior": False}]
    for item, mask in zip(lesions, (one, two, three), strict=True):
        np.testing.assert_array_equal(item.masks["anterior"], mask)


def test_a_segmentation_may_be_stored_cropped_to_its_marks(tmp_path):
    scan = blob_scan()
    matrix = scan.frame.ijk_to_ras.copy()
    matrix[:, 3] = matrix @ [6, 10, 0, 1]
    write_volume(np.ones((4, 4), np.uint8), matrix, str(tmp_path / "a.seg.nrrd"), {"Segment0_LabelValue": "1"})
    (mark,) = read(scan, tmp_path / "a.seg.nrrd").marks
    assert mark.mask.sum() == 16
    assert mark.mask[10:14, 6:10].all()
    write_volume(np.ones((4, 4), np.uint8), matrix, str(tmp_path / "a.nrrd"))
    with pytest.raises(UserError):
        read(scan, tmp_path / "a.nrrd")


def test_a_rejected_segment_marks_nothing(tmp_path):
    scan = blob_scan()
    mask = np.zeros(scan.frame.shape, np.uint8)
    mask[5:9, 5:9], mask[20:23, 5:9] = 1, 2
    fields = {"Segment0_LabelValue": "1", "Segment1_LabelValue": "2"}
    fields["Segment1_Tags"] = "Segmentation.Status:flagged|SpectBoneMetSeg.decision:rejected|"
    write_volume(mask, scan.frame.ijk_to_ras, str(tmp_path / "a.seg.nrrd"), fields)
    marks = read(scan, tmp_path / "a.seg.nrrd").marks
    assert len(marks) == 1
    np.testing.assert_array_equal(marks[0].mask, mask == 1)


def blob_scan(anterior=True, posterior=True):
    """A disc with a hot spot at (12, 8); either view may show it."""
    counts = np.full((40, 24), 20.0, np.float32)
    hot = counts.copy()
    hot[10:14, 6:10] = 200
    front = PlanarView(hot if anterior else counts, (4.0, 4.0), "anterior")
    back = PlanarView((hot if posterior else counts)[:, ::-1], (4.0, 4.0), "posterior")
    return WholeBodyScan("blob", front, back)


@pytest.mark.parametrize("shows", [("anterior",), ("posterior",), ("anterior", "posterior")])
def test_a_mark_of_the_union_teaches_only_the_views_that_show_it(shows, tmp_path):
    scan = blob_scan("anterior" in shows, "posterior" in shows)
    mask = np.zeros(scan.frame.shape, np.uint8)
    mask[10:14, 6:10] = 1
    write_volume(mask, scan.frame.ijk_to_ras, str(tmp_path / "mask.nrrd"))
    maps = maps_of(read(scan, tmp_path / "mask.nrrd"), scan)
    for name in ("anterior", "posterior"):
        np.testing.assert_array_equal(maps[name], mask * (1 if name in shows else 2))
    np.testing.assert_array_equal(merge_labels(maps.values()), mask)


def test_a_mark_of_the_union_that_no_view_shows_stays_in_the_union(tmp_path):
    scan = blob_scan(False, False)
    mask = np.zeros(scan.frame.shape, np.uint8)
    mask[10:14, 6:10] = 1
    write_volume(mask, scan.frame.ijk_to_ras, str(tmp_path / "mask.nrrd"))
    np.testing.assert_array_equal(merge_labels(maps_of(read(scan, tmp_path / "mask.nrrd"), scan).values()), mask)


def test_a_view_that_nobody_looked_at_is_ignored_all_over(study, tmp_path):
    write_volume(study.own["posterior"], study.scan.views["posterior"].ijk_to_ras, str(tmp_path / "p.nrrd"))
    maps = maps_of(read(study.scan, tmp_path / "p.nrrd"), study.scan)
    assert (maps["anterior"] == 2).all()
    np.testing.assert_array_equal(maps["posterior"], study.ids["posterior"] > 0)


def test_an_empty_label_says_that_there_is_no_lesion(study, tmp_path):
    write_volume(np.zeros(study.scan.frame.shape, np.uint8), study.scan.frame.ijk_to_ras, str(tmp_path / "e.nrrd"))
    assert instances_of(read(study.scan, tmp_path / "e.nrrd"), study.scan) == []


def test_an_empty_segmentation_needs_no_place(study, tmp_path):
    write_volume(np.zeros((1, 1), np.uint8), np.eye(4), str(tmp_path / "e.seg.nrrd"))
    labels = read(study.scan, tmp_path / "e.seg.nrrd")
    assert (labels.marks, labels.covers) == ((), {None})


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
    with pytest.raises(UserError, match="named posterior but lies on the picture p_anterior"):
        read(read_back, tmp_path / "p_posterior_mask.nii.gz", views=["posterior"])
    labels = read(read_back, tmp_path / "p_posterior_mask.nii.gz")
    assert labels.covers == {"anterior"}


def test_a_labelme_file_of_another_picture_is_refused(study, tmp_path):
    path = write_labelme(study.own["anterior"], tmp_path / "scan_ANT.json", imageWidth=512)
    with pytest.raises(UserError, match=r"scan_ANT\.json was drawn on a picture of 512 x 256 pixels"):
        read_labelme(path, study.scan, "anterior")


def test_a_labelme_file_that_names_no_side_is_refused(study, tmp_path):
    path = write_labelme(study.own["anterior"], tmp_path / "scan.json")
    with pytest.raises(UserError, match="let its name end in _anterior or _posterior"):
        read_labelme(path, study.scan)


def test_boxes_and_circles_of_labelme_have_their_area(tmp_path):
    scan = blob_scan()
    shapes = [
        {"label": "a", "shape_type": "rectangle", "points": [[3, 4], [6, 9]]},
        {"label": "b", "shape_type": "circle", "points": [[12, 25], [17, 25]]},
    ]
    path = write_labelme(np.zeros((40, 24), np.uint16), tmp_path / "a.json", shapes=shapes)
    (box, circle), _ = read_labelme(path, scan, "anterior")
    assert box.mask.sum() == 15
    assert box.mask[4:9, 3:6].all()
    assert abs(circle.mask.sum() - np.pi * 25) < 4


@pytest.mark.parametrize("shape_type", ["line", "point", "mask", "linestrip"])
def test_shapes_without_an_area_are_refused(tmp_path, shape_type):
    shapes = [{"label": "a", "shape_type": shape_type, "points": [[3, 4], [6, 9]]}]
    path = write_labelme(np.zeros((40, 24), np.uint16), tmp_path / "a.json", shapes=shapes)
    with pytest.raises(UserError, match=f"a\\.json has a {shape_type} of 2 points"):
        read_labelme(path, blob_scan(), "anterior")


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
    with pytest.raises(UserError, match=r"c\.nrrd looks like a picture of counts"):
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
