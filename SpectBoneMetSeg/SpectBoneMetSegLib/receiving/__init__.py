"""DICOM receiver: receive studies, read them when they are complete, and send the results to archives."""
