"""Labels and scans from wherever they lie into one data set: files and folders, and what Slicer's scene holds.

`find` looks (headers only), `gather` writes, `labels` and the readers beside it know the formats. Nothing here knows
MRML: `labelmaps` turns nodes into the same `Labels`.
"""
