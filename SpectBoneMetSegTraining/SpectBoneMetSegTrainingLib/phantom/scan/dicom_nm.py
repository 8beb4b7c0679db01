"""Simulated whole-body scans as DICOM files, in the variants that hospitals' systems write.

All files state that they are simulated. The same arguments give the same bytes.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import PlanarView, ViewName, WholeBodyScan

from .dicom_header import MANUFACTURER, SHORT_NAMES, FileContent, Study, deterministic_uid, make_dataset

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = [
    "FOLDER_VARIANTS",
    "MANUFACTURER",
    "VARIANTS",
    "Variant",
    "deterministic_uid",
    "draw_variant",
    "write_nm_wholebody",
]

Variant = Literal[
    "two-frame",
    "reversed",
    "rle",
    "two-windows",
    "single-files",
    "image-id",
    "anterior-only",
    "posterior-only",
    "side-by-side",
    "detectors-swapped",
    "old-codes",
    "series-description",
    "signed",
    "rescaled",
    "jpeg-lossless",
    "jpeg2000",
    "implicit-vr",
    "big-endian",
    "deflated",
    "no-preamble",
    "captures",
    "capture-side-by-side",
    "capture-anterior",
    "capture-posterior",
]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
#: Variants that are a folder with one file per view.
FOLDER_VARIANTS: tuple[Variant, ...] = ("single-files", "image-id", "series-description", "captures")

#: Relative frequency of the variants of scans with both views; the two-frame file is the standard's form.
_BOTH: dict[Variant, float] = {
    "two-frame": 0.3,
    "reversed": 0.06,
    "detectors-swapped": 0.04,
    "old-codes": 0.08,
    "two-windows": 0.05,
    "single-files": 0.08,
    "image-id": 0.07,
    "series-description": 0.05,
    "side-by-side": 0.06,
    "signed": 0.05,
    "rescaled": 0.02,
    "rle": 0.03,
    "jpeg-lossless": 0.03,
    "jpeg2000": 0.03,
    "implicit-vr": 0.02,
    "big-endian": 0.01,
    "deflated": 0.01,
    "no-preamble": 0.01,
}


def draw_variant(rng: np.random.Generator, scan: WholeBodyScan, *, capture: bool = False) -> Variant:
    """Draw a variant that suits the views of the scan; `capture` selects the 8-bit variants."""
    number = rng.random()
    if len(scan.views) == 2:
        if capture:
            return "captures" if number < 0.6 else "capture-side-by-side"
        share = np.cumsum(list(_BOTH.values()))
        drawn = list(_BOTH)[int(np.searchsorted(share, number * share[-1], side="right"))]
        # The counts of a hot bladder can exceed the range of these variants.
        too_hot = drawn in ("signed", "rescaled") and max(view.counts.max() for view in scan.views.values()) > 32767
        return "two-frame" if too_hot else drawn
    if scan.anterior is not None:
        return "capture-anterior" if capture else "anterior-only"
    return "capture-posterior" if capture else "posterior-only"


def write_nm_wholebody(
    path: str | Path,
    scan: WholeBodyScan,
    *,
    patient_id: str,
    uid_text: str,
    study_date: str = "20240101",
    variant: Variant = "two-frame",
    seconds: float = 1200.0,
) -> tuple[Path, ...]:
    """Write a simulated scan as DICOM NM or, for the capture variants, as Secondary Capture.

    Args:
        path: the file to write; for FOLDER_VARIANTS the folder in which ANT.dcm and POST.dcm are written.
        scan: counts must be whole numbers up to 65535 (captures: 255, signed and rescaled: 32767); views in one file
            must have the same shape and pixel size.
        patient_id: patient ID and, after "SIMULATED^", patient name.
        uid_text: text from which all UIDs are derived (for example the simulation's seed and the case's number), and
            the vendor's profile: model name, energy window and so on.
        study_date: YYYYMMDD.
        variant: two-frame: anterior, posterior in one file. reversed: posterior first. detectors-swapped: anterior
            first, but from detector 2. old-codes: two frames, views in SNOMED-RT. two-windows: photopeak and scatter
            window of both detectors. single-files: one file per view, with view codes. image-id, series-description:
            the same, with the view in that text only. anterior-only, posterior-only: one view. side-by-side: both views
            in one wide frame, stated by the image ID. signed: 16-bit signed. rescaled: the rescale slope is 0.5. rle,
            jpeg-lossless, jpeg2000, implicit-vr, big-endian, deflated, no-preamble: two frames in that encoding.
            captures, capture-...: 8-bit Secondary Capture, one file per view or side by side; a single anterior capture
            does not state its side.
        seconds: duration of the acquisition.

    Returns:
        The files written.

    Raises:
        ValueError: counts do not fit the variant, a view is missing, views differ in shape, or the variant is unknown.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r} is none of {', '.join(VARIANTS)}")
    target, study = Path(path), Study(patient_id, uid_text, study_date, seconds)
    if variant in FOLDER_VARIANTS:
        contents = [(target / f"{SHORT_NAMES[name]}.dcm", _one_view(_view(scan, name), variant)) for name in scan.views]
    else:
        contents = [(target, _single_file(scan, variant))]
    datasets = [(file, make_dataset(picture, study, number)) for number, (file, picture) in enumerate(contents, 1)]
    for file, dataset in datasets:
        file.parent.mkdir(parents=True, exist_ok=True)
        _save(dataset, file, variant)
    return tuple(file for file, _ in datasets)


def _single_file(scan: WholeBodyScan, variant: Variant) -> FileContent:
    """Return the content of a variant that is one file."""
    if variant in ("anterior-only", "capture-anterior"):
        return _one_view(_view(scan, "anterior"), variant)
    if variant in ("posterior-only", "capture-posterior"):
        return _one_view(_view(scan, "posterior"), variant)
    anterior, posterior = _view(scan, "anterior"), _view(scan, "posterior")
    if anterior.shape != posterior.shape or anterior.spacing != posterior.spacing:
        raise ValueError("views in one file need the same shape and pixel size")
    both = (_whole_counts(anterior), _whole_counts(posterior))
    plain = FileContent(
        np.stack(both), anterior.spacing, (1, 2), (1, 1), ("anterior", "posterior"), image_id="WHOLE BODY"
    )
    if variant in ("side-by-side", "capture-side-by-side"):
        wide = replace(plain, frames=np.concatenate(both, axis=1)[None], detectors=(1,), windows=(1,))
        wide = replace(wide, sides=("anterior",), scheme="", image_id="ANT/POST", derived=True)
        return replace(wide, capture=True, label="ANT POST") if variant == "capture-side-by-side" else wide
    if variant == "reversed":
        return replace(plain, frames=np.stack(both[::-1]), sides=("posterior", "anterior"))
    if variant == "detectors-swapped":
        return replace(plain, detectors=(2, 1), sides=("posterior", "anterior"))
    if variant == "two-windows":
        # The scatter window must differ from the photopeak, so that tests notice a program that reads it.
        frames = np.stack([*both, *(counts // 3 for counts in both)])
        return replace(plain, frames=frames, detectors=(1, 2, 1, 2), windows=(1, 1, 2, 2))
    return replace(
        plain,
        scheme="SRT" if variant == "old-codes" else "SCT",
        signed=variant == "signed",
        slope=0.5 if variant == "rescaled" else 1.0,
    )


def _one_view(view: PlanarView, variant: Variant) -> FileContent:
    """Return the content of a file with one view, which states its side as the variant does."""
    content = FileContent(_whole_counts(view)[None], view.spacing, (1,), (1,), (view.name,), image_id="WHOLE BODY")
    short = SHORT_NAMES[view.name]
    if variant == "image-id":
        return replace(content, scheme="", image_id=f"WB_{short}")
    if variant == "series-description":
        return replace(content, scheme="", label=f"whole body {short}")
    if variant == "capture-anterior":
        return replace(content, capture=True)
    if variant in ("captures", "capture-posterior"):
        return replace(content, capture=True, label=f"WB {short}")
    return content


def _view(scan: WholeBodyScan, name: ViewName) -> PlanarView:
    view = scan.views.get(name)
    if view is None:
        raise ValueError(f"{scan.case} has no {name} view")
    return view


def _whole_counts(view: PlanarView) -> NDArray[np.uint16]:
    counts = view.counts
    if np.any(counts < 0) or np.any(counts > np.iinfo(np.uint16).max) or (counts != np.rint(counts)).any():
        raise ValueError(f"the {view.name} view's counts are not whole numbers from 0 to 65535")
    return counts.astype(np.uint16)


def _save(dataset: Dataset, file: Path, variant: Variant) -> None:
    from pydicom import dcmwrite, uid

    if variant == "no-preamble":
        # As in old exports: the bare data set, implicit VR.
        del dataset.file_meta
        dcmwrite(file, dataset, implicit_vr=True, little_endian=True, enforce_file_format=False)
        return
    if variant == "rle":
        # pydicom's own encoder, so that the bytes do not depend on other installed packages.
        dataset.compress(uid.RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    elif variant == "jpeg2000":
        dataset.compress(uid.JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    elif variant == "jpeg-lossless":
        _compress_jpeg(dataset)
    elif variant == "implicit-vr":
        dataset.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    elif variant == "deflated":
        dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    elif variant == "big-endian":
        dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.save_as(file, enforce_file_format=True)


def _compress_jpeg(dataset: Dataset) -> None:
    """Compress the pixels in place by JPEG process 14, first-order prediction; through a file, as gdcm requires."""
    import gdcm
    import pydicom

    syntax = gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1)
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = f"{folder}/plain.dcm", f"{folder}/packed.dcm"
        dataset.save_as(plain, enforce_file_format=True)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(plain)
        done = reader.Read()
        change.SetTransferSyntax(syntax)
        change.SetInput(reader.GetImage())
        done = done and change.Change()
        writer.SetFileName(packed)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        if not (done and writer.Write()):
            raise ValueError("the counts could not be compressed as lossless JPEG")
        dataset.PixelData = pydicom.dcmread(packed).PixelData
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLosslessSV1
