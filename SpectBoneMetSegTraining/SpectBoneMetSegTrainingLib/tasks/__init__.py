"""Long calls that end with the window they were started from."""
