"""Views and their grids, the aggregate of both, and the thorax box."""
