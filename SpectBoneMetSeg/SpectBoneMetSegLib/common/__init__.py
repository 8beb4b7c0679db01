"""Helpers of every package: errors, files, memory, packages, processes, resources."""
