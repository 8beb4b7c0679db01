"""The module's own parts: its logic and pieces of its panel; with the module files the only code that uses Qt."""
