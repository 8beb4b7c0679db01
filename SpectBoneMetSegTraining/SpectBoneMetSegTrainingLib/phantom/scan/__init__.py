"""One simulated scan: projections, truth, readers and DICOM files."""
