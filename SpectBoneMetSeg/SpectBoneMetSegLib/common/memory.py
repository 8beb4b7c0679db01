"""What memory there is, and what the running process costs."""

from __future__ import annotations

import sys
from pathlib import Path

from .packages import is_installed


def free_memory_mb() -> float | None:
    """Memory that can be had without pushing others out, in MB (2**20 bytes); None where the system does not tell."""
    if is_installed("psutil"):
        import psutil

        return float(psutil.virtual_memory().available) / 2**20
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def peak_memory_mb() -> float | None:
    """Highest resident memory of this process so far in MB (2**20 bytes); None where the system does not tell.

    psutil knows the peak of Windows alone, and the reading library does without it where it is not installed.
    """
    if sys.platform == "win32":
        try:
            import psutil
        except ImportError:
            return None
        return float(psutil.Process().memory_info().peak_wset) / 2**20
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux getrusage also counts what the parent held when it started this process (getrusage(2), execve(2)).
        peak = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), None)
        if peak is not None:
            return int(peak.split()[1]) / 2**10
    import resource

    # macOS counts bytes, the other systems kibibytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
