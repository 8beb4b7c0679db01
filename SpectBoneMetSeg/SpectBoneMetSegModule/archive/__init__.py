"""The panel's section for a folder of studies."""
