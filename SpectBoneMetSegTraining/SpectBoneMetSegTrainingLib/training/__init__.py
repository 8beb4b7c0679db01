"""Training: set-up, sampling, losses, the training loop, validation, model card, active learning."""
