"""Where in a text each value is set."""

__all__: list[str] = []
