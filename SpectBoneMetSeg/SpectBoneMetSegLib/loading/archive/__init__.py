"""Find the scans in a folder of an archive, at any depth, and list the files that are left out."""

from .discovery import Archive, FoundScan, LeftOut, files_in, find_scans, is_data_set, is_packed, scans_among

__all__ = ["Archive", "FoundScan", "LeftOut", "files_in", "find_scans", "is_data_set", "is_packed", "scans_among"]
