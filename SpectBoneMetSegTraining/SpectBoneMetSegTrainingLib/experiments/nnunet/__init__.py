"""nnU-Net v2, trained and run in an environment of its own."""
