"""Archives: which studies there are, processes that read them, and what is told of a run."""
