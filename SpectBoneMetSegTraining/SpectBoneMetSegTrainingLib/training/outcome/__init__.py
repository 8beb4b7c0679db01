"""Steps after a training: operating point, confidence, model card, comparison with the parent model, promotion."""
