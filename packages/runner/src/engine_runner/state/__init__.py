"""The state of a run: how far it is, what of it is saved, and how it is taken up again."""

__all__: list[str] = []
