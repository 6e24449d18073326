"""What is looked at before a run starts."""

__all__: list[str] = []
