"""Follow-up: match the lesions of several scans of a patient and report how each changed."""
