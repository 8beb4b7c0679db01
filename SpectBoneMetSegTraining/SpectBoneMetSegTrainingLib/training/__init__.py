"""The trainer and what surrounds it."""
