"""What stands in the repository: its packages, their settings, their files."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Package:
    """One folder of ``packages/``."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name, ``config``."""
        return self.folder.name

    @property
    def distribution(self) -> str:
        """The name that pip knows, ``engine-config``."""
        return f"engine-{self.name}"

    @property
    def module(self) -> str:
        """The name that is imported, ``engine_config``."""
        return f"engine_{self.name}"

    @property
    def source(self) -> Path:
        """The folder of the imported package."""
        return self.folder / "src" / self.module

    @property
    def settings(self) -> dict[str, Any]:
        """The tables of the package's ``pyproject.toml``."""
        return read_toml(self.folder / "pyproject.toml")


PACKAGES = [
    Package(folder)
    for folder in sorted((ROOT / "packages").iterdir())
    if (folder / "pyproject.toml").is_file()
]
MODULES = frozenset(package.module for package in PACKAGES)


def workspace() -> dict[str, Any]:
    """Return the ``tool`` tables of the repository's own ``pyproject.toml``."""
    tools: dict[str, Any] = read_toml(ROOT / "pyproject.toml")["tool"]
    return tools


def environments() -> dict[str, Any]:
    """Return the hatch environments by name."""
    found: dict[str, Any] = workspace()["hatch"]["envs"]
    return found


def kept_files(root: Path = ROOT) -> list[Path]:
    """List the files that git tracks or would track under a folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    ).stdout.decode()
    files = (root / name for name in listed.split("\0") if name)
    return sorted(file for file in files if file.is_file())


def python_files(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Yield every Python file under a folder with its syntax tree."""
    for file in sorted(root.rglob("*.py")):
        yield file, ast.parse(file.read_text(encoding="utf-8"), str(file))


def none_of(faults: Iterable[str]) -> bool:
    """Whether there is no fault; raise with all of them, one a line, if there are some."""
    if listed := "\n".join(faults):
        raise AssertionError(f"\n{listed}")
    return True
