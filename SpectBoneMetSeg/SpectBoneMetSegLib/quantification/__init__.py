"""Bones, uptake, tumour burden and the planar bone scan index of a reading."""
