"""The only package of this library that knows MRML scenes."""
