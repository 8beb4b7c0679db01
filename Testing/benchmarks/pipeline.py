"""Times and memory of reading one scan: cold start, warm seconds per step, peak memory.

python Testing/benchmarks/pipeline.py [SCAN] [--repeat N]

Prints one table. Ratios are measured in one run on one machine; seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "Resources" / "Sample" / "simulated_scan.dcm"


def cold_start(scan: Path) -> float:
    """Return the seconds from the start of the command to all files on disk, in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        command = [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", "segment", str(scan), "--output", folder]
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - start


def warm_steps(scan: Path, repeat: int) -> tuple[dict[str, float], dict[int, float], str]:
    """Return (median seconds per step, peak MB after n scans, device) with one loaded model."""
    from SpectBoneMetSegLib import Reader
    from SpectBoneMetSegLib.common.memory import peak_memory_mb

    reader = Reader()
    reader.read(scan)
    seconds: dict[str, list[float]] = {}
    memory: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, repeat + 1):
            reading = reader.read(scan)
            steps = dict(reading.receipt["seconds"])  # type: ignore[call-overload]
            start = time.perf_counter()
            reading.save(os.path.join(folder, "case"))
            steps["write all files"] = time.perf_counter() - start
            for name, value in steps.items():
                seconds.setdefault(name, []).append(value)
            if number in (1, repeat // 2, repeat):
                memory[number] = peak_memory_mb() or float("nan")
    return {name: median(values) for name, values in seconds.items()}, memory, reader.engine.device


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--repeat", type=int, default=20)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    cold = [cold_start(args.scan) for _ in range(3)]
    steps, memory, device = warm_steps(args.scan, args.repeat)
    network = steps["network"]
    print(f"scan {args.scan.name}, device {device}, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(f"{'cold start to all files (median of 3)':40}{median(cold):10.2f} s")
    print(f"{'warm, median of ' + str(args.repeat) + ' readings':40}{'seconds':>10}  {'of network':>10}")
    for name, value in steps.items():
        print(f"  {name:38}{value:10.4f}  {value / network:10.2f}")
    others = sum(value for name, value in steps.items() if name not in ("network", "write all files"))
    print(f"  {'reading without the network':38}{others:10.4f}  {others / network:10.2f}")
    for number, value in memory.items():
        print(f"{'peak memory after ' + str(number) + ' readings':40}{value:10.0f} MB")


if __name__ == "__main__":
    main()
