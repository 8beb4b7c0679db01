"""One section of the panel a file."""
