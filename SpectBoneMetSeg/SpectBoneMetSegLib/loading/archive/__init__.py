"""Which scans lie in a folder of an archive, at any depth, and which of its files are none."""

from .discovery import Archive, FoundScan, LeftOut, files_in, find_scans, scans_among

__all__ = ["Archive", "FoundScan", "LeftOut", "files_in", "find_scans", "scans_among"]
