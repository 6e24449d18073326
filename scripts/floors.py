"""Test each package against the oldest released siblings that it says it accepts.

Old wheels are rebuilt from the tags ``engine-<name>-v<version>``; a sibling that has no
release in the accepted range comes from the working tree.

Usage: ``python scripts/floors.py [name ...]``
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = sorted(p for p in (ROOT / "packages").iterdir() if (p / "pyproject.toml").is_file())
UV = os.environ.get("HATCH_UV", "uv")


def run(*args: str | Path, links: tuple[Path, ...] = ()) -> bytes:
    """Run a command at the root and return what it printed."""
    env = dict(os.environ)
    if links:  # the option --find-links would replace the variable, not add to it
        folders = [*map(str, links), env.get("UV_FIND_LINKS", "")]
        env["UV_FIND_LINKS"] = ",".join(filter(None, folders))
    command = [str(arg) for arg in args]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT, env=env).stdout


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def build(folder: Path, out: Path) -> None:
    """Build one wheel."""
    run(UV, "build", "--quiet", "--wheel", "--out-dir", out, folder)


def build_released(out: Path) -> dict[str, list[Version]]:
    """Build the wheel of every release tag and return the versions of each distribution."""
    out.mkdir(parents=True, exist_ok=True)
    versions: dict[str, list[Version]] = {}
    for tag in run("git", "tag", "--list", "engine-*-v*").decode().split():
        distribution, _, version = tag.rpartition("-v")
        folder = f"packages/{distribution.removeprefix('engine-')}"
        with tempfile.TemporaryDirectory() as tmp:
            with tarfile.open(fileobj=io.BytesIO(run("git", "archive", tag, folder))) as archive:
                archive.extractall(tmp, filter="data")
            build(Path(tmp, folder), out)
        versions.setdefault(distribution, []).append(Version(version))
    if not versions:
        print(
            "no release tag engine-<name>-v<version> is here, so every sibling comes from the "
            "working tree; if there are releases, fetch their tags: git fetch --tags",
            flush=True,
        )
    return versions


def oldest_accepted(folder: Path, released: dict[str, list[Version]]) -> list[str]:
    """Return a pin to the oldest accepted release of every sibling that has one."""
    declared = read_toml(folder / "pyproject.toml")["project"]["dependencies"]
    return [
        f"{requirement.name}=={min(accepted)}"
        for requirement in map(Requirement, declared)
        if (
            accepted := [
                v for v in released.get(requirement.name, []) if v in requirement.specifier
            ]
        )
    ]


def test_tools(name: str) -> list[str]:
    """Return what a package's own tests need, as its isolated environment has it."""
    root = read_toml(ROOT / "pyproject.toml")
    isolated = root["tool"]["hatch"]["envs"]["isolated"]
    chosen = isolated["overrides"]["matrix"]["package"]["dependency-groups"]
    groups = [*isolated["dependency-groups"], *(g["value"] for g in chosen if name in g["if"])]
    return [line for group in groups for line in root["dependency-groups"][group]]


def passes(folder: Path, pins: list[str], links: tuple[Path, Path], venv: Path) -> bool:
    """Whether a package's own tests pass beside the pinned siblings."""
    run(UV, "venv", "--quiet", "--python", sys.executable, venv)
    (wheel,) = links[1].glob(f"engine_{folder.name}-*.whl")
    wanted: list[str | Path] = [wheel, *pins, *test_tools(folder.name)]
    run(UV, "pip", "install", "--quiet", "--python", venv, *wanted, links=links)
    print(f"== {folder.name} with {' '.join(pins) or 'no released sibling'}", flush=True)
    tests: list[str | Path] = [
        venv / "bin" / "python",
        "-m",
        "pytest",
        "-q",
        f"tests/{folder.name}",
    ]
    return subprocess.call(tests, cwd=ROOT) == 0


def main(names: list[str]) -> int:
    """Test the packages named, or all of them."""
    with tempfile.TemporaryDirectory() as tmp:
        links = Path(tmp, "old"), Path(tmp, "new")
        released = build_released(links[0])
        for folder in PACKAGES:
            build(folder, links[1])
        failed = [
            folder.name
            for folder in PACKAGES
            if folder.name in (names or [p.name for p in PACKAGES])
            and not passes(
                folder, oldest_accepted(folder, released), links, Path(tmp, "venv", folder.name)
            )
        ]
    print(f"failed: {', '.join(failed) or 'none'}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
