"""Write results as DICOM objects, for the archive that the scan came from."""
