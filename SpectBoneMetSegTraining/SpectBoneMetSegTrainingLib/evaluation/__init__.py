"""Evaluation of predictions: metrics, matching, FROC, calibration, confidence intervals, reports."""
