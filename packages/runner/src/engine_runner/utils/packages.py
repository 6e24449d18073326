"""Installed packages, by their names in an index or in an import."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path

from packaging.utils import canonicalize_name

__all__ = ["call_command", "get_installed_path", "install_package", "is_installed"]


def is_installed(package: str) -> bool:
    """Whether a package is installed.

    Parameters
    ----------
    package : str
        Its name, as ``opencv-python`` or as ``cv2``.

    Examples
    --------
    >>> is_installed("PyYAML"), is_installed("yaml"), is_installed("no-such-package")
    (True, True, False)
    """
    _refuse_nameless(package)
    return _distribution(package) is not None or _spec(package) is not None


def get_installed_path(package: str) -> str:
    """Return the folder that a package is imported from; of a module in one file, that file.

    Parameters
    ----------
    package : str
        Its name, as ``opencv-python`` or as ``cv2``.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If it is not installed.
    """
    _refuse_nameless(package)
    spec = _spec(package)
    if spec is None:
        found = _distribution(package)
        module = _module_of(found) if found is not None else None
        spec = _spec(module) if module else None
    if spec is None:
        raise metadata.PackageNotFoundError(package)
    folders = list(spec.submodule_search_locations or ())
    return folders[0] if folders else spec.origin or ""


def install_package(package: str) -> None:
    """Have pip install a package, if it is not installed.

    Raises
    ------
    subprocess.CalledProcessError
        If pip fails.
    """
    if not is_installed(package):
        call_command([sys.executable, "-m", "pip", "install", package])


def call_command(cmd: list[str]) -> None:
    """Run a program.

    Parameters
    ----------
    cmd : list of str
        It and its arguments.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    subprocess.check_call(cmd)


def _refuse_nameless(package: str) -> None:
    if not isinstance(package, str):
        raise TypeError(f"a package is named by a str, got {package!r}")
    if not package or package.startswith((".", "-")):
        raise ValueError(f"{package!r} is no name of a package")


def _distribution(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


def _spec(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):  # of a part before a dot; of a module that has none
        return getattr(sys.modules.get(module), "__spec__", None)


def _module_of(found: metadata.Distribution) -> str | None:
    """Return the module that a distribution is there for: its own name, if it has one of that."""
    said = found.read_text("top_level.txt")
    names = said.split() if said else [Path(str(file)).parts[0] for file in found.files or ()]
    names = [name.removesuffix(".py") for name in names]
    modules = [name for name in dict.fromkeys(names) if name.isidentifier()]
    own = canonicalize_name(found.metadata["Name"])
    same = [name for name in modules if canonicalize_name(name) == own]
    plain = [name for name in modules if not name.startswith("_")]
    return next(iter([*same, *plain, *modules]), None)
