"""Memory and rate of `batch` over thousands of simulated studies.

    python Testing/benchmarks/soak.py --output FOLDER [--studies 5000] [--data DATA] [--jobs N] [--all-files]

Copies the simulated studies of DATA (`spectbonemetseg simulate --output DATA`; the sample study without it) under new
UIDs and with other counts until there are so many, reads them in one run of `batch`, and meanwhile measures the memory
of all its processes. Writes soak.csv (a row per measurement) and soak.png, and prints a summary. Needs about 1 MB of
disk per study.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import sys
import tempfile
import time
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "Resources" / "Sample"
#: Seconds between two measurements.
EVERY = 2.0


@dataclass(frozen=True)
class Measurement:
    """What was measured at one moment.

    Attributes:
        seconds: since the start of the run.
        studies: studies done.
        memory_mb: resident memory of all processes of the run together; pages that they share are counted in each.
        largest_mb: resident memory of the largest process.
    """

    seconds: float
    studies: int
    memory_mb: float
    largest_mb: float


def make_archive(source: Path, folder: Path, studies: int) -> None:
    """Write FOLDER/P<number>/IM1: copies of the DICOM files of a folder, each a study and a patient of its own."""
    import pydicom

    files = sorted(path for path in source.rglob("*.dcm") if path.is_file())
    # Scans of two files would need both.
    scans = [path for path in files if len(list(path.parent.glob("*.dcm"))) == 1 or path.parent == source]
    if not scans:
        raise SystemExit(f"{source} holds no DICOM files; name a simulated data set.")
    for number, path in zip(range(studies), itertools.cycle(scans), strict=False):
        dataset = pydicom.dcmread(path)
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress()
        dataset.PatientID = f"P{number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"1.2.{number + 1}", f"1.2.{number + 1}.1"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number + 1}.1.1"
        counts = dataset.pixel_array
        factor = 1 + number // len(scans) % 50 / 100
        dataset.PixelData = np.minimum(counts * factor, np.iinfo(counts.dtype).max).astype(counts.dtype).tobytes()
        place = folder / f"P{number}" / "IM1"
        place.parent.mkdir(parents=True)
        dataset.save_as(place)


def measure(archive: Path, output: Path, options: list[str]) -> list[Measurement]:
    """Read an archive, and return the measurements."""
    import psutil

    log = output.with_suffix(".jsonl")
    command = [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", "batch", str(archive), "--output", str(output)]
    libraries = os.pathsep.join(str(ROOT / name) for name in ("SpectBoneMetSeg", "SpectBoneMetSegTraining"))
    start, found = time.perf_counter(), []
    with open(output.with_suffix(".log"), "w") as messages:
        environment = {**os.environ, "PYTHONPATH": libraries}
        run = psutil.Popen([*command, "--log", str(log), *options], stdout=messages, stderr=messages, env=environment)
        while run.poll() is None:
            time.sleep(EVERY)
            sizes = []
            for process in [run, *_children(run)]:
                try:
                    sizes.append(process.memory_info().rss / 2**20)
                except psutil.Error:
                    continue
            done = log.read_bytes().count(b"\n") if log.exists() else 0
            if any(sizes):
                found.append(Measurement(time.perf_counter() - start, done, sum(sizes), max(sizes)))
    if run.returncode:
        raise SystemExit(output.with_suffix(".log").read_text()[-2000:])
    # The last studies ended after the last look.
    return [*found[:-1], replace(found[-1], studies=log.read_bytes().count(b"\n"))]


def _children(process):
    import psutil

    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def plot(found: list[Measurement], file: Path) -> None:
    """Draw memory and rate against the number of studies."""
    import matplotlib.pyplot as plt

    studies, memory, largest, seconds = (
        np.array([getattr(each, name) for each in found]) for name in ("studies", "memory_mb", "largest_mb", "seconds")
    )
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(7, 5.5), sharex=True, layout="constrained")
    upper.plot(studies, memory, color="tab:blue", label="all processes of the run")
    upper.plot(studies, largest, color="tab:orange", label="the largest process")
    upper.set(ylabel="resident memory (MB)", ylim=(0, None))
    upper.legend(loc="lower right", frameon=False)
    window = max(1, len(found) // 50)
    pace = 60 * (studies[window:] - studies[:-window]) / (seconds[window:] - seconds[:-window])
    lower.plot(studies[window:], pace, color="tab:green")
    lower.set(xlabel="simulated studies read", ylabel="studies per minute", ylim=(0, None))
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=120)


def summary(found: list[Measurement]) -> str:
    """Return mean memory and rate of the first, a middle and the last tenth; start and end are left out."""
    total = found[-1].studies
    lines = [f"{total} studies in {found[-1].seconds / 60:.1f} minutes"]
    for first, last in ((0.02, 0.1), (0.45, 0.55), (0.9, 0.99)):
        part = [each for each in found if first * total <= each.studies < last * total]
        if len(part) > 1:
            memory, largest = (np.mean([getattr(each, name) for each in part]) for name in ("memory_mb", "largest_mb"))
            rate = 60 * (part[-1].studies - part[0].studies) / (part[-1].seconds - part[0].seconds)
            lines.append(
                f"studies {part[0].studies} to {part[-1].studies}: {memory:.0f} MB in all processes, "
                f"{largest:.0f} MB in the largest, {rate:.0f} studies per minute"
            )
    return "\n".join(lines)


def main() -> None:
    """Make the archive, read it, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for soak.csv and soak.png")
    parser.add_argument("--studies", type=int, default=5000)
    parser.add_argument("--data", type=Path, help="simulated data set with DICOM files, instead of the sample")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--all-files", action="store_true", help="without --quick")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    options = [*(() if args.all_files else ("--quick",)), *(("--jobs", str(args.jobs)) if args.jobs else ())]
    with tempfile.TemporaryDirectory() as folder:
        make_archive(args.data / "dicom" if args.data else SAMPLE, Path(folder) / "archive", args.studies)
        found = measure(Path(folder) / "archive", Path(folder) / "results", options)
    with open(args.output / "soak.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Measurement))
        writer.writerows([round(value, 1) for value in astuple(each)] for each in found)
    plot(found, args.output / "soak.png")
    print(summary(found))


if __name__ == "__main__":
    main()
