"""Scans from files: DICOM NM in its many forms, NRRD, NIfTI, PNG and TIFF."""

from .study import case_name, looks_like_scan, read_scan
from .views import checked_views

__all__ = ["case_name", "checked_views", "looks_like_scan", "read_scan"]
