"""A configuration trained on a strategy and on one device, step by step, and held side by side."""

__all__: list[str] = []
