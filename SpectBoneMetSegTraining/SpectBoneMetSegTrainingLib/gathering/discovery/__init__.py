"""Find scans and labels in folders, and match labels to scans."""
