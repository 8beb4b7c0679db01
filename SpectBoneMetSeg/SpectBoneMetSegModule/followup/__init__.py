"""The panel's section Follow-up: the open reading beside earlier scans of the patient."""
