"""The report of a reading for people: the same content as an HTML page and as PDF."""
