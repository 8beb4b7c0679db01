"""What the tracer shows in a patient: uptake, lesions, mimics and their course."""
