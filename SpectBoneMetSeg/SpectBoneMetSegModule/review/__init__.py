"""Lesions in the panel: their table, their choice, their review by keys."""
