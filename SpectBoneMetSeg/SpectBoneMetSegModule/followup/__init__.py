"""The panel's section Follow-up: the open reading compared with earlier scans of the patient."""
