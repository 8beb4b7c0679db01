"""Scans from files: DICOM NM in its many forms, NRRD, NIfTI, PNG and TIFF."""

from .study import read_scan

__all__ = ["read_scan"]
