"""An archive as hospitals keep one: the sample study as many patients'."""

from __future__ import annotations

from pathlib import Path

import pydicom

SAMPLE = Path(__file__).resolve().parents[3] / "Resources" / "Sample" / "simulated_scan.dcm"


def make_archive(folder: Path, studies: int, *, cut: tuple[int, ...] = ()) -> Path:
    """FOLDER/P<number>/IM1, each with other counts; those in `cut` have lost their last bytes."""
    dataset = pydicom.dcmread(SAMPLE)
    dataset.decompress()
    counts = dataset.pixel_array
    for number in range(studies):
        dataset.StudyInstanceUID = f"1.2.{number + 1}"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number + 1}.1"
        dataset.PixelData = (counts * (1 + number % 50 / 100)).astype(counts.dtype).tobytes()
        place = folder / f"P{number}" / "IM1"
        place.parent.mkdir(parents=True)
        dataset.save_as(place)
        if number in cut:
            place.write_bytes(place.read_bytes()[:-5000])
    return folder
