"""A configuration as text: Python, JSON, YAML, and how two differ."""

__all__: list[str] = []
