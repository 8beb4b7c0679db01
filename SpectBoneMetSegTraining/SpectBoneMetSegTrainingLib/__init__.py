"""Teaching: data sets in, models out. Imports the reading library; never the other way."""
