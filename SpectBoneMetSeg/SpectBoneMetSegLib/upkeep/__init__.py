"""Verification of results and of the installation."""
