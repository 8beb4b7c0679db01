"""Tables, plots and a page of the experiments' results."""
