"""Read scans from files: DICOM NM, NRRD, NIfTI, MetaImage, PNG, JPEG and TIFF."""

from .grouping import group_files
from .laterality import parse_views
from .study import case_name, looks_like_scan, read_files, read_found_scan, read_scan

__all__ = ["case_name", "group_files", "looks_like_scan", "parse_views", "read_files", "read_found_scan", "read_scan"]
