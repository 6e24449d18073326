"""JSON, YAML and TOML, and files that are written whole."""

__all__: list[str] = []
