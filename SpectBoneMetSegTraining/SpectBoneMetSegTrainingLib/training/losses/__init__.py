"""Loss functions of all training methods."""
