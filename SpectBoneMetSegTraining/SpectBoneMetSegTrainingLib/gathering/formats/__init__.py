"""Readers of the label formats, one file each."""
