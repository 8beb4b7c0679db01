"""Reading planar whole-body bone scans: scan in, lesions out. Research use only."""

__version__ = "0.1.0"
