"""An archive of thirty studies as hospitals keep them, read by one command with a table whose every line is right."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import RLELossless, SecondaryCaptureImageStorage, generate_uid
from SpectBoneMetSegLib.cli.main import main

# A shorter archive of many kinds is in test_batch.py.
pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "Sample" / "simulated_scan.dcm"
BOTH, FRONT = "anterior+posterior", "anterior"


def put(path: Path, study: str, change: Callable[[Dataset], object] | None = None, **header: object) -> Path:
    """The sample study as an object of another study; a header value of None leaves the element out."""
    dataset = pydicom.dcmread(SAMPLE)
    dataset.decompress()
    dataset.StudyInstanceUID, dataset.PatientID = f"1.2.{study}", f"ID{study}"
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[str(path)]), generate_uid()
    for keyword, value in header.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    if change is not None:
        change(dataset)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path)
    return path


def pixels(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Dataset], None]:
    """Other values in the picture."""

    def apply(dataset: Dataset) -> None:
        dataset.PixelData = change(dataset.pixel_array).astype(np.uint16).tobytes()

    return apply


def one_view(number: int) -> Callable[[Dataset], None]:
    """The first or second view alone."""

    def apply(dataset: Dataset) -> None:
        dataset.PixelData = dataset.pixel_array[number].tobytes()
        dataset.NumberOfFrames, dataset.NumberOfDetectors = 1, 1
        dataset.DetectorInformationSequence = Sequence([dataset.DetectorInformationSequence[number]])
        dataset.DetectorVector, dataset.EnergyWindowVector = [1], [1]

    return apply


def window(low: float, high: float) -> Callable[[Dataset], None]:
    """Another energy window, in keV."""

    def apply(dataset: Dataset) -> None:
        limits, outer = Dataset(), Dataset()
        limits.EnergyWindowLowerLimit, limits.EnergyWindowUpperLimit = low, high
        outer.EnergyWindowRangeSequence = Sequence([limits])
        dataset.EnergyWindowInformationSequence = Sequence([outer])

    return apply


def without_sides(dataset: Dataset) -> None:
    """Nothing says which view is which."""
    for item in dataset.DetectorInformationSequence:
        del item.ViewCodeSequence
    for keyword in ("ImageID", "SeriesDescription", "StudyDescription", "ImageComments"):
        if keyword in dataset:
            delattr(dataset, keyword)


def no_picture(dataset: Dataset) -> None:
    """An object that holds text or structures."""
    for keyword in ("PixelData", "Rows", "Columns", "NumberOfFrames", "BitsAllocated", "BitsStored"):
        delattr(dataset, keyword)


STATIC = {"ImageType": ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"], "PixelSpacing": [0.5, 0.5]}
COLOUR = {"SOPClassUID": SecondaryCaptureImageStorage, "SamplesPerPixel": 3}
SCREEN = {"SOPClassUID": SecondaryCaptureImageStorage, "ImageType": ["DERIVED", "SECONDARY", "SCREEN"]}


def make_archive(root: Path) -> None:
    """Thirty studies, and what else lies about."""
    put(root / "P01" / "ST1" / "SE1" / "IM0001", "1")
    put(root / "P02" / "early" / "IM0001", "2", AcquisitionDate="20240102", AcquisitionTime="080000")
    put(root / "P02" / "late" / "IM0001", "2", AcquisitionDate="20240102", AcquisitionTime="120000")
    put(root / "P03" / "SE1" / "IM1", "3", AcquisitionDate="20240102", AcquisitionTime="100000")
    put(root / "P03" / "SE2" / "IM1", "3", AcquisitionDate="20240102", AcquisitionTime="102000")
    put(root / "P04" / "SE1" / "IM1", "4")
    put(root / "P04" / "SE2" / "IM1", "4", ImageType=["DERIVED", "PRIMARY", "WHOLE BODY", "EMISSION"])
    put(root / "P05" / "scatter" / "IM1", "5", window(92, 125))
    put(root / "P05" / "peak" / "IM1", "5", window(126, 154))
    put(root / "P06" / "ANT" / "IM1", "6", one_view(0))
    put(root / "P06" / "POST" / "IM1", "6", one_view(1))
    put(root / "P07" / "IM1", "7", one_view(0))
    put(root / "P08" / "NM" / "IM1", "8")
    for number in (1, 2):
        put(root / "P08" / "CT" / f"IM{number}", "8", Modality="CT")
    put(root / "P08" / "SC" / "IM1", "8", **SCREEN)
    for number, modality in ((9, "CT"), (10, "MR"), (11, "PT"), (12, "RTSTRUCT"), (13, "US"), (14, "SR")):
        put(root / f"P{number:02d}" / "IM1", str(number), no_picture if number in (12, 14) else None, Modality=modality)
    put(root / "P15" / "IM1", "15", **STATIC)
    put(root / "P16" / "IM1", "16", ImageType=["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"])
    put(root / "P17" / "IM1", "17", **COLOUR)
    put(root / "P18" / "IM1.dcm", "18", lambda dataset: setattr(dataset, "PixelData", dataset.PixelData[:1000]))
    (root / "P19").mkdir()
    (root / "P19" / "IM1.dcm").write_bytes(b"")
    uid = generate_uid()
    put(
        root / "P20" / "a.dcm",
        "20",
        lambda dataset: setattr(dataset, "PixelData", dataset.PixelData[:1000]),
        SOPInstanceUID=uid,
    )
    put(root / "P20" / "b.dcm", "20", SOPInstanceUID=uid)
    put(root / "P21" / "IM1", "21", without_sides)
    put(root / "P22" / "IM1", "22")
    Image.new("L", (256, 1024)).save(root / "P22" / "stray.png")
    put(root / "P23" / "DICOM" / "IM1", "23")
    put(root / "P23" / "DICOM" / "IM2", "23.2")
    (root / "P24").mkdir()
    (root / "P24" / "DICOMDIR").write_bytes(b"x" * 200)
    (root / "P24" / "README.txt").write_text("written by a burner")
    put(root / "P25" / "IM1", "25", pixels(lambda counts: counts.max() - counts))
    put(root / "P26" / "IM1", "26", pixels(lambda counts: counts.clip(0, 60)))
    put(root / "P27" / "IM1", "27", PixelSpacing=None)
    put(root / "P28 Müller, Zoë" / "IM 1", "28")
    put(root / "P29" / "IM1", "29", ImageType=["ORIGINAL", "PRIMARY", "DYNAMIC", "EMISSION"])
    put(root / "P30" / "IM1", "30", lambda dataset: dataset.compress(RLELossless))
    put(root / "loose.dcm", "31")
    (root / "DICOMDIR").write_bytes(b"x" * 200)


#: case: (input, views, what its warnings say, in this order), as in the table.
READ: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "P01": ("P01", BOTH, ()),
    "early": ("P02/early/IM0001", BOTH, ()),
    "late": ("P02/late/IM0001", BOTH, ()),
    "P03": ("P03", BOTH, ("P03/SE1/IM1 (repeated, the latest is read",)),
    "P04": ("P04", BOTH, ("P04/SE2/IM1 (processed, the acquired images are read",)),
    "P05": ("P05", BOTH, ("P05/scatter/IM1 (its energy window misses the photopeak of 99mTc",)),
    "P06": ("P06", BOTH, ()),
    "P07": ("P07", FRONT, ("Only the anterior view exists",)),
    "P08": ("P08", BOTH, ("2 files (modality CT), the first of them", "P08/SC/IM1 (a screen capture")),
    "P20": ("P20", BOTH, ("P20/b.dcm was read in place of its copy, which cannot be read: a.dcm is cut short",)),
    "P22": ("P22", BOTH, ("P22/stray.png (an image next to DICOM files)",)),
    "IM1": ("P23/DICOM/IM1", BOTH, ()),
    "IM2": ("P23/DICOM/IM2", BOTH, ()),
    "P25": ("P25", BOTH, ("inverted grey, its air is the brightest: it was inverted",)),
    "P26": ("P26", BOTH, ("The anterior view of P26 is cut off at 60", "The posterior view of P26 is cut off at 60")),
    "P28 Müller, Zoë": ("P28 Müller, Zoë", BOTH, ()),
    "P30": ("P30", BOTH, ()),
    "loose": ("loose.dcm", BOTH, ()),
}
FAILED = {
    "P18": "IM1.dcm is cut short (1000 of 1048576 pixel bytes); copy or export it again.",
    "P19/IM1.dcm": "IM1.dcm is empty; export the scan again.",
    "P21": "P21 does not state which view an image shows (file IM1); state which, "
    "anterior,posterior or posterior,anterior, in stored order (--views).",
    "P27": "IM1 does not state its pixel size; give it in mm, for example 2.26 (--pixel-size).",
}
LEFT_OUT = {
    "P08/CT/IM1": "modality CT; and 2 more files",
    "P10/IM1": "modality MR",
    "P11/IM1": "modality PT",
    "P12/IM1": "modality RTSTRUCT",
    "P13/IM1": "modality US",
    "P14/IM1": "modality SR",
    "P15/IM1": "a static image of a part of the body",
    "P16/IM1": "a tomo study",
    "P17/IM1": "a colour image",
    "P22/stray.png": "an image next to DICOM files",
    "P29/IM1": "a dynamic study",
}


@pytest.fixture(scope="module")
def result(tiny, tmp_path_factory):
    """The archive, the results, the exit status."""
    root = tmp_path_factory.mktemp("thirty")
    make_archive(root / "archive")
    status = main(["batch", str(root / "archive"), "--output", str(root / "out"), "--model", str(tiny)])
    return root / "archive", root / "out", status


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "batch.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def named(archive: Path, path: str) -> str:
    return Path(path).relative_to(archive).as_posix()


def test_every_line_of_the_table_is_right(result):
    archive, out, status = result
    assert status == 1
    rows = rows_of(out)
    assert len(rows) == len(READ) + len(FAILED) + len(LEFT_OUT)
    read = {row["case"]: row for row in rows if row["state"] == "read"}
    assert read.keys() == READ.keys()
    for case, (place, views, words) in READ.items():
        row = read[case]
        assert (named(archive, row["input"]), row["views"], row["reason"]) == (place, views, ""), case
        assert row["read"].startswith("Only the thorax box was read"), case
        with (out / case / "lesions.csv").open(encoding="utf-8", newline="") as file:
            areas = [float(lesion["area_cm2"]) for lesion in csv.DictReader(file)]
        assert int(row["areas"]) == len(areas), case
        assert float(row["area_cm2"]) == pytest.approx(sum(areas), abs=0.01), case
        warnings = row["warnings"].split(" | ") if row["warnings"] else []
        assert len(warnings) == len(words), (case, warnings)
        assert all(word in warning for word, warning in zip(words, warnings, strict=True)), (case, warnings)
    failed = {named(archive, row["input"]): row["reason"] for row in rows if row["state"] == "failed"}
    assert failed == FAILED
    left_out = {named(archive, row["input"]): row["reason"] for row in rows if row["state"] == "left out"}
    assert left_out == LEFT_OUT


def test_results_are_where_the_table_says_and_nowhere_else(result):
    _, out, _ = result
    assert {path.name for path in out.iterdir()} == {
        *READ,
        "batch.csv",
        "failures.csv",
        "manifest.csv",
        "summary.html",
        ".batch",
    }
    assert all((out / case / "receipt.json").is_file() and (out / case / "overview.png").is_file() for case in READ)
    with (out / "failures.csv").open(encoding="utf-8", newline="") as file:
        assert sorted(row["reason"] for row in csv.DictReader(file)) == sorted(FAILED.values())


def test_started_again_it_reads_nothing_twice_and_reports_the_same(result, tiny):
    archive, out, _ = result
    first = rows_of(out)
    assert main(["batch", str(archive), "--output", str(out), "--model", str(tiny)]) == 1
    assert [{**row, "state": row["state"].removesuffix(" before")} for row in rows_of(out)] == first
    assert sum(row["state"] == "read before" for row in rows_of(out)) == len(READ)
