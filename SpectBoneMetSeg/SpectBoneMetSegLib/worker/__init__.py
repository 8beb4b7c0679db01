"""Inference in a child process that stays warm."""
