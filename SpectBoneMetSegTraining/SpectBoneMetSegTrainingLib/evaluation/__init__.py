"""Figures from predictions: matching, scores, intervals and reports."""
