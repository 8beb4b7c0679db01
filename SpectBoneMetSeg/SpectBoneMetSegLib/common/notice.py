"""The notice on every screen, report and file."""

RESEARCH_USE = "Research use only - not for diagnosis or treatment"
