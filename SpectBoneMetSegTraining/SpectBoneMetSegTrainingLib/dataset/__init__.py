"""Data sets: cases, files, folds, budgets, and the sealing of test labels."""
