"""One simulated scan: projections, ground truth, readers and DICOM files."""
