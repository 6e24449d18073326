"""What a configuration is made of, and where each value came from."""

__all__: list[str] = []
