# Slicer's Python has no types; mypy takes all of it as Any, but for what stands beside this file.
from typing import Any

def __getattr__(name: str) -> Any: ...
