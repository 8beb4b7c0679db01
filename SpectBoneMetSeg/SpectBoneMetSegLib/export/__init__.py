"""Result files out."""
