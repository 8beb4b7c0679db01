"""Scans of one patient at several times: registered bone by bone, lesions matched, changes named."""
