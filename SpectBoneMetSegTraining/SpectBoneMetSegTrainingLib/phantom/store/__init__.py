"""Store of patients as projections of their parts, from which training draws new scans at every step."""
