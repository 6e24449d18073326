"""Files that are not trusted: read as data, in a process of their own, within limits."""

__all__: list[str] = []
