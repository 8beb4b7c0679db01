"""The module's own parts: its logic and pieces of its panel; beside the module files the only code that knows Qt."""
