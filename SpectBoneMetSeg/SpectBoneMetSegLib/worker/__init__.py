"""Inference in a persistent child process that keeps the model loaded."""
