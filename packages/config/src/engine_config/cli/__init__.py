"""The command ``engine-config``: look into configuration files."""

from engine_config.cli.main import main

__all__ = ["main"]
