"""Write the report of a reading: the same content as an HTML page and as PDF."""
