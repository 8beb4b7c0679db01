"""Methods to compare a model with: thresholds, Chan-Vese, and the oracle that knows the background."""
