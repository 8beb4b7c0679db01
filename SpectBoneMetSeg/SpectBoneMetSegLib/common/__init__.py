"""What every package uses: errors, files, memory, processes, resources."""
