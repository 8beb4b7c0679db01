"""Results of the experiments as tables, plots and a page."""
