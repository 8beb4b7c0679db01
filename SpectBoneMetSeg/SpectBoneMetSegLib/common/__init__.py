"""What every package uses: errors, files, memory, packages, processes, resources."""
