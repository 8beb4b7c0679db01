"""Accuracy of the planar bone scan index, on simulated patients whose index is known."""
