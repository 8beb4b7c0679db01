"""The application's data modules: DICOM, studies, the hierarchy, sample data."""
