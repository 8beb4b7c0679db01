"""What every package of the training library uses: locks and progress."""
