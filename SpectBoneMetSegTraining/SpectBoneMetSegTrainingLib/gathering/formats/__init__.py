"""Readers of label formats, one module per format."""
