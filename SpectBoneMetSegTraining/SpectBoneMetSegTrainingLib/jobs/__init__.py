"""Trainings that outlive the window they were started from."""
