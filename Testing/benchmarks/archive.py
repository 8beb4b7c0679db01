"""Speed of reading an archive, as ratios measured in one run on one machine.

    python Testing/benchmarks/archive.py [--studies N] [--jobs N] [--before COMMIT] [--data DATA --nnunet PYTHON]

Prints the seconds per study of: the network's forward pass alone in batches, `batch` with all files and with --quick, a
loop in one process, and with --before the `batch` command of an earlier commit; with --many also the memory of a
reading process after few studies and after many. With --nnunet it times the predictor of nnU-Net v2 with untrained
weights on the same images: simulate DATA by `spectbonemetseg simulate --patients N --test-share 0 --output DATA`;
PYTHON is an interpreter with nnunetv2. pipeline.py times a single study with a loaded model, and a cold start.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("SpectBoneMetSeg", "SpectBoneMetSegTraining")
sys.path.insert(0, str(ROOT / "SpectBoneMetSegTraining" / "Testing"))


def batch(archive: Path, output: Path, *more: str, tree: Path = ROOT) -> tuple[float, list[dict[str, Any]]]:
    """Return (seconds of the whole command, its log of studies; empty for an earlier commit)."""
    log = output.with_suffix(".jsonl")
    path = os.pathsep.join(str(tree / library) for library in LIBRARIES)
    command = [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", "batch", str(archive), "--output", str(output)]
    if tree == ROOT:
        command += ["--log", str(log)]
    start = time.perf_counter()
    subprocess.run([*command, *more], check=True, capture_output=True, env={**os.environ, "PYTHONPATH": path})
    seconds = time.perf_counter() - start
    return seconds, [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []


def forward_pass(studies: int, size: int) -> float:
    """Return seconds per study of the network alone, on all cores, in batches of `size` thoraxes of 256 x 256."""
    from SpectBoneMetSegLib.model.engines import import_onnxruntime
    from SpectBoneMetSegLib.model.store import find_model

    model = find_model()
    session = import_onnxruntime().InferenceSession(os.fspath(model.onnx), providers=["CPUExecutionProvider"])
    shape = (size, 256, 256, len(model.card.network.inputs))
    feed = {session.get_inputs()[0].name: np.random.default_rng(0).random(shape, dtype=np.float32)}
    session.run(None, feed)
    start = time.perf_counter()
    rounds = max(1, studies // size)
    for _ in range(rounds):
        session.run(None, feed)
    return (time.perf_counter() - start) / rounds / size


def loop(archive: Path, output: Path, studies: int) -> float:
    """Return seconds per study in one process, one after another, with all files."""
    from SpectBoneMetSegLib import Reader

    reader = Reader()
    scans = sorted(archive.glob("*/IM1"))[:studies]
    reader.read(scans[0])
    start = time.perf_counter()
    for scan in scans:
        reader.read(scan).save(str(output / scan.parent.name))
    return (time.perf_counter() - start) / len(scans)


def memory(archive: Path, few: int, many: int) -> tuple[float, float]:
    """Return the peak memory (MB) of one reading process after `few` and after `many` studies."""
    code = (
        "import sys; from pathlib import Path; from SpectBoneMetSegLib import Reader\n"
        "from SpectBoneMetSegLib.common.memory import peak_memory_mb\n"
        "reader, scans = Reader(), sorted(Path(sys.argv[1]).glob('*/IM1'))\n"
        "for number in range(1, int(sys.argv[3]) + 1):\n"
        "    reader.read(scans[number % len(scans)]).save(sys.argv[4])\n"
        "    if number in (int(sys.argv[2]), int(sys.argv[3])): print('MB', peak_memory_mb())\n"
    )
    path = os.pathsep.join(str(ROOT / library) for library in LIBRARIES)
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(archive), str(few), str(many), str(Path(folder) / "case")]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
    first, last = re.findall(r"MB ([\d.]+)", done.stdout)
    return float(first), float(last)


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """Check out an earlier commit of this repository into a temporary folder."""
    subprocess.run(["git", "-C", ROOT, "worktree", "add", "--detach", folder, commit], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", folder], check=True, capture_output=True)


def nnunet(python: Path, data: Path, folder: Path) -> float:
    """Return seconds per study of nnU-Net's predictor after one second of training, with its default mirroring."""
    import contextlib

    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegTrainingLib.experiments.nnunet.client import (
        NnunetSettings,
        predict_nnunet,
        train_nnunet,
        write_raw,
    )
    from SpectBoneMetSegTrainingLib.training.setup.cases import TrainingCases, training_and_validation

    labelled, validation = training_and_validation(data)
    settings = NnunetSettings(batch=2, iterations=1)
    write_raw(data, TrainingCases(labelled[:4], validation[:2], []), folder)
    train_nnunet(python, folder, settings, seconds=1, seed=0)
    # The predictor reads the test cases: they are linked to the same images.
    names = sorted({path.name[: -len("_0000.nii.gz")] for path in (data / "imagesTr").glob("*_0000.nii.gz")})
    staged = folder / "data"
    staged.mkdir()
    (staged / "imagesTs").symlink_to(data / "imagesTr")
    start = time.perf_counter()
    # The staged set lacks each case's position on its scan; the error comes after all predictions are written.
    with contextlib.suppress(OSError, KeyError, UserError):
        next(predict_nnunet(python, folder, staged, names, settings))
    if len(list((folder / "predictions").glob("*.npz"))) < len(names):
        raise SystemExit(f"nnU-Net did not predict every case; see {folder / 'nnunet.log'}.")
    return (time.perf_counter() - start) / len(names)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=24)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--before", metavar="COMMIT", help="also time `batch` of an earlier commit")
    parser.add_argument("--data", type=Path, help="simulated data set with DICOM files, instead of the sample")
    parser.add_argument("--nnunet", type=Path, metavar="PYTHON", help="also time nnU-Net with this interpreter")
    parser.add_argument("--many", type=int, default=0, help="number of studies of the memory test; 0 skips it")
    args = parser.parse_args()
    if args.nnunet and not args.data:
        parser.error("--nnunet needs --data")
    jobs = ["--jobs", str(args.jobs)] if args.jobs else []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        archive = args.data / "dicom" if args.data else root / "archive"
        if not args.data:
            from support.archives import make_archive

            make_archive(archive, args.studies)
        timings = {f"forward pass alone, {size} at a time": forward_pass(args.studies, size) for size in (1, 4, 8)}
        bare = min(timings.values())
        steady, processor = {}, {}
        for name, more in (("batch, all files", ()), ("batch --quick", ("--quick",))):
            before = _processor_seconds()
            seconds, log = batch(archive, root / name.replace(" ", ""), *jobs, *more)
            processor[name] = (_processor_seconds() - before) / len(log)
            timings[name] = seconds / len(log)
            studies = len(log)
            steady[name] = _steady(log)
        if not args.data:
            timings["one after the other, all files"] = loop(archive, root / "loop", args.studies)
        if args.before:
            with checked_out(args.before, root / "before") as tree:
                before = _processor_seconds()
                timings[f"batch of {args.before}"] = batch(archive, root / "old", tree=tree)[0] / studies
                processor[f"batch of {args.before}"] = (_processor_seconds() - before) / studies
        if args.nnunet:
            timings["nnU-Net v2's predictor"] = nnunet(args.nnunet, args.data, root / "nnunet")
        print(f"{studies} studies, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
        print(f"{'seconds per study':42}{'':>10}  {'bare forward pass':>18}  {'batch, all files':>17}")
        for name, seconds in timings.items():
            print(f"{name:42}{seconds:10.3f}  {bare / seconds:17.0%}  {seconds / timings['batch, all files']:16.2f}x")
        for name, seconds in steady.items():
            print(f"{name + ', once it is running':42}{seconds:10.3f}  {bare / seconds:17.0%}")
        for name, seconds in processor.items():
            print(f"{name + ', processor seconds':42}{seconds:10.3f}")
        if args.many:
            start = max(1, args.many // 50)
            few, many = memory(archive, start, args.many)
            print(f"peak memory of a process: {few:.0f} MB after {start}, {many:.0f} MB after {args.many}")


def _processor_seconds() -> float:
    """Return the processor time of all child processes so far, which does not depend on other programs."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _steady(log: list[dict[str, Any]]) -> float:
    """Return seconds per study from the end of the first study to the end of the last."""
    from datetime import datetime

    first, last = (datetime.fromisoformat(log[index]["time"]) for index in (0, -1))
    return (last - first).total_seconds() / max(1, len(log) - 1)


if __name__ == "__main__":
    main()
