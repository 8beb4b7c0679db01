"""The losses of all methods."""
