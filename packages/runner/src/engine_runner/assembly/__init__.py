"""From what a runner is given to the components that it runs: one door a kind, one kind a file."""

__all__: list[str] = []
