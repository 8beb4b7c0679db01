"""Many simulated patients: data sets, benchmarks and calibration."""
