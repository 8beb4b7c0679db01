"""Finding scans and labels in folders, and which belong together."""
