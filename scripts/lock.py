"""Write ``requirements-dev.lock``: a version of all that the development environment installs.

It holds for every platform and Python that the packages accept, and names no index: a version is
a version wherever it comes from. With ``UV_CONSTRAINT=requirements-dev.lock`` the environments
take these versions.

Usage: ``python scripts/lock.py``
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-dev.lock"
#: groups that are chosen instead of another
OTHERS = ("torch-floor", "torch-newest")
HEAD = """\
# Versions for development, of the dependency groups and the packages' own dependencies; written
# by `hatch run lock`.
"""


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def wanted() -> list[str]:
    """Return what the groups and the packages require, but for the packages themselves."""
    groups = read_toml(ROOT / "pyproject.toml")["dependency-groups"]
    lines = [line for name, group in groups.items() if name not in OTHERS for line in group]
    for file in sorted(ROOT.glob("packages/*/pyproject.toml")):
        project = read_toml(file)["project"]
        lines += project["dependencies"]
        lines += [
            line for extra in project.get("optional-dependencies", {}).values() for line in extra
        ]
    return sorted({line for line in lines if not line.startswith("engine-")})


def compiled(lines: list[str]) -> str:
    """Return the versions that uv finds for them all at once."""
    command = [
        os.environ.get("HATCH_UV", "uv"), "pip", "compile", "-", "--universal",
        "--python-version", "3.10", "--no-header", "--no-annotate", "--quiet",
    ]  # fmt: skip
    # wheels of a folder of one's own, such as torch's +cpu, are not everybody's
    environment = {key: value for key, value in os.environ.items() if key != "UV_FIND_LINKS"}
    done = subprocess.run(
        command, input="\n".join(lines), env=environment, cwd=ROOT,
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return done.stdout


if __name__ == "__main__":
    LOCK.write_text(HEAD + compiled(wanted()), encoding="utf-8")
