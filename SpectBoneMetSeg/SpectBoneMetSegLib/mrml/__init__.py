"""Show readings in MRML scenes of 3D Slicer; the only package of this library that uses MRML."""
