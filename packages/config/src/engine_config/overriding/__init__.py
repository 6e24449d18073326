"""Values over values: a file over its base, the command line over a file."""

__all__: list[str] = []
