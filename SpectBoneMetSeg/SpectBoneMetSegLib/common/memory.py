"""Free memory of the machine, and peak memory of this process."""

from __future__ import annotations

import sys
from pathlib import Path

from .packages import is_installed


def free_memory_mb() -> float | None:
    """Return the memory available without swapping, in MB (2**20 bytes); None if the system does not report it."""
    if is_installed("psutil"):
        import psutil

        return float(psutil.virtual_memory().available) / 2**20
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def peak_memory_mb() -> float | None:
    """Return the peak resident memory of this process in MB (2**20 bytes); None if the system does not report it.

    psutil reports the peak on Windows only; it is optional in the reading library.
    """
    if sys.platform == "win32":
        try:
            import psutil
        except ImportError:
            return None
        return float(psutil.Process().memory_info().peak_wset) / 2**20
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux getrusage includes the parent's memory at the time of the fork (getrusage(2), execve(2)).
        peak = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), None)
        if peak is not None:
            return int(peak.split()[1]) / 2**10
    import resource

    # macOS reports bytes, other systems kibibytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
