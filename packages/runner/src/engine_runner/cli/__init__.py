"""The command ``engine``: one verb a file."""

from engine_runner.cli.main import main

__all__ = ["main"]
