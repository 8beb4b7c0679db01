"""Patients as the projections of their parts, so that a training draws a new scan of them at every step."""
