"""Labels in the scene and in folders, collected as a labelled set."""
