"""One intact file of every format that a reader opens: what malformed ones are made of, and compared with."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.scan.planar import WholeBodyScan

from .nm_files import detector, nm, saved, write_dicom_seg

#: (rows, columns) of all of them.
SHAPE = (256, 64)
COUNTS = (np.arange(SHAPE[0] * SHAPE[1]) % 251).reshape(SHAPE)
MASK = np.pad(np.ones((9, 7), bool), ((20, 227), (30, 27)))


def scan_bytes() -> dict[str, bytes]:
    """{ending: bytes} of a scan in every format; of pictures side and pixel size must be given to the reader."""
    import SimpleITK
    from PIL import Image

    made = {}
    with tempfile.TemporaryDirectory() as folder:
        image = SimpleITK.GetImageFromArray(COUNTS.astype(np.float32))
        image.SetSpacing((2.26, 2.26))
        for ending in (".nrrd", ".nii", ".nii.gz", ".mha"):
            path = Path(folder, f"intact{ending}")
            SimpleITK.WriteImage(image, str(path))
            made[ending] = path.read_bytes()
        made[".dcm"] = saved(_dataset(), Path(folder, "intact.dcm")).read_bytes()
    for kind, ending in (("PNG", ".png"), ("TIFF", ".tif"), ("JPEG", ".jpg")):
        file = io.BytesIO()
        Image.fromarray(COUNTS.astype(np.uint8)).save(file, kind)
        made[ending] = file.getvalue()
    return made


def label_bytes() -> dict[str, bytes]:
    """{ending: bytes} of the labels of `labelled_scan` in every format of one file."""
    corners = [[30.0, 20.0], [37.0, 20.0], [37.0, 29.0], [30.0, 29.0]]
    shape = {"label": "lesion", "points": corners, "shape_type": "polygon"}
    record = {"version": "5", "shapes": [shape], "imagePath": "a.png", "imageHeight": SHAPE[0], "imageWidth": SHAPE[1]}
    head = [
        "NRRD0004", "type: uchar", "dimension: 3", "space: left-posterior-superior", "sizes: 64 256 1",
        "space directions: (2.26,0,0) (0,0,-2.4) (0,1,0)", "kinds: domain domain domain", "encoding: gzip",
        f"space origin: ({-31.5 * 2.26},0,{127.5 * 2.4})", "Segment0_ID:=a", "Segment0_Name:=lesion",
        "Segment0_LabelValue:=1", "Segment0_Layer:=0", "Segment0_Extent:=0 63 0 255 0 0", "", "",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        sources = [("1.2.3.4", 1)]
        seg = write_dicom_seg([(1, MASK)], Path(folder, "seg.dcm"), sources=sources).read_bytes()
    return {
        ".json": json.dumps(record).encode(),
        ".seg.nrrd": "\n".join(head).encode() + gzip.compress(MASK.astype(np.uint8).tobytes()),
        ".dcm": seg,
    }


def labelled_scan(folder: Path) -> WholeBodyScan:
    """The scan on which `label_bytes` were drawn."""
    return read_scan(saved(_dataset(), folder / "scan.dcm"))


def read_picture(path: Path) -> WholeBodyScan:
    """Read a scan of any format; side and pixel size are given for those that cannot state them."""
    if path.suffix == ".dcm":
        return read_scan(path)
    return read_scan(path, views=("anterior",), pixel_size_mm=2.26)


def _dataset() -> Dataset:
    # No picture is the mirror image of another: labels find their view by the counts.
    views = (COUNTS.astype(np.uint16), (COUNTS * 7 % 97).astype(np.uint16))
    return nm(*views, detectors=[detector("399321004"), detector("399001007")])
