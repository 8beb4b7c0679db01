"""Gather scans and labels into a data set, from files and folders or from a Slicer scene.

`discovery` finds files (headers only), `formats` reads label files, `labels` aligns and combines them, and `gather`
writes the data set. Only `scene_nodes` uses MRML: it converts nodes to the same `Labels`.
"""
