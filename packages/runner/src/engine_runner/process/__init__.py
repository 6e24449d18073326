"""The process that a run is in: its environment, random numbers, names and folders."""

__all__: list[str] = []
