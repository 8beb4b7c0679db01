"""Outlines on the grid of their scan, and the agreement of several readers."""
