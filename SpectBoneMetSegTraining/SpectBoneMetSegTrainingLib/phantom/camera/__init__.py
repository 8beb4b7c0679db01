"""From activity in the body to counts on the image."""
