"""Gradient steps, one module per Keras backend: the only part of a training that differs between backends."""
