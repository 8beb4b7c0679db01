"""Archives: find the studies, read them in several processes, and report on the run."""
