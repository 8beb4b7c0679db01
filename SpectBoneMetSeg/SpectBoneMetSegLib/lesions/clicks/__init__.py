"""Edit lesions with the mouse: which action a click or a drag means, and how it changes a labelmap."""
