"""What the checks need to be importable; the standard library alone, as it runs before all else."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["lacking", "missing"]

# Modules that the packages import, with the names by which pip knows them.
NEEDED = {
    "torch": "torch",
    "numpy": "numpy",
    "addict": "addict",
    "yaml": "pyyaml",
    "packaging": "packaging",
    "rich": "rich",
    "typing_extensions": "typing-extensions",
    **({"tomli": "tomli"} if sys.version_info < (3, 11) else {}),
}

# What the tests need beside it.
FOR_TESTS = {"pytest": "pytest", "hypothesis": "hypothesis"}


def missing(needed: dict[str, str]) -> list[str]:
    """Return pip's names of what cannot be found."""
    return [name for module, name in needed.items() if find_spec(module) is None]


def lacking() -> str | None:
    """Return what is to be said of what is missing; None where nothing is."""
    names = missing(NEEDED)
    if not names:
        return None
    return (
        f"{sys.executable} cannot import what the packages need: {', '.join(names)}. Install it "
        f"there, or, for a machine without a network, beside the checkout:\n"
        f"    python -m pip install --no-deps --target .gpu_site {' '.join(names)}\n"
        "and take that folder along; scripts/gpu_checks.sh looks there"
    )
