"""From probabilities to lesions that are measured, reviewed and edited."""
