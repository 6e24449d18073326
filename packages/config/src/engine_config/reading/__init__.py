"""From a file's name to what it says: bases, text, substitution, evaluation, merge."""

__all__: list[str] = []
