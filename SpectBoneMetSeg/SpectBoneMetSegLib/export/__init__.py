"""Write the result files of a reading: masks, tables, pictures, report, DICOM objects."""
