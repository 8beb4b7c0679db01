"""What the panel shows in Slicer's views."""
