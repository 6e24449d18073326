"""Settings of Sphinx."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from typing import Any

project = "engine"
author = "Engine Developers"
project_copyright = author
version = release = installed_version("engine-runner")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "engine"

napoleon_google_docstring = False
# Attributes are documented where they are annotated; a second target for each would clash.
napoleon_use_ivar = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}


def _skips(app: object, what: str, name: str, member: object, skip: bool, options: object) -> bool:
    """Leave out the fields of named tuples, which the class itself describes."""
    return skip or str(getattr(member, "__doc__", "")).startswith("Alias for field number")


def setup(app: Any) -> None:
    """Register what Sphinx calls."""
    app.connect("autodoc-skip-member", _skips)
