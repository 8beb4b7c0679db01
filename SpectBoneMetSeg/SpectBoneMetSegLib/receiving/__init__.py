"""Studies that arrive by DICOM: received, read when they are complete, their results sent on."""
