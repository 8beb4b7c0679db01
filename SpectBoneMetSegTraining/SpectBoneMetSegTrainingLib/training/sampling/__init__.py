"""Batches of patches and their augmentation."""
