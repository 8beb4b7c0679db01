"""The gamma camera: from activity in the body to counts in the image."""
