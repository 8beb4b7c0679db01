"""Sampling: batches of patches and their augmentation."""
