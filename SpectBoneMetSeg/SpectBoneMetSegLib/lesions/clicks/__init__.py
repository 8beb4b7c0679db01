"""Lesions changed by the mouse: what a click or a drag does to a labelmap, and what it means."""
