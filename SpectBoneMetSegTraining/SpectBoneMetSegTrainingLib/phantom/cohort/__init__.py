"""Populations of simulated patients: data sets, benchmarks and calibration."""
