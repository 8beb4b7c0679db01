"""What follows a training: model card, comparison with the parent, promotion."""
