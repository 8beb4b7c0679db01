"""Icons, forms and models of the reading module."""
