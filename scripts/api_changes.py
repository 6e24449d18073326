"""Compare the public names of each package with those of its last release.

A release is a tag ``engine-<name>-v<version>``. What would break a user of the last one is allowed
where the version in the source says so: a new major one, or a new minor one before 1.0.

Usage: ``python scripts/api_changes.py [name ...]``
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = sorted(p for p in (ROOT / "packages").iterdir() if (p / "pyproject.toml").is_file())
_VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)


def last_release(name: str) -> Version | None:
    """Return the highest version that a package's tags name, or None."""
    tags = ["git", "tag", "--list", f"engine-{name}-v*"]
    listed = subprocess.run(tags, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    versions = [Version(tag.rpartition("-v")[2]) for tag in listed.split()]
    return max(versions, default=None)


def current_version(name: str) -> Version:
    """Return the version in a package's source."""
    file = ROOT / "packages" / name / "src" / f"engine_{name}" / "__init__.py"
    (version,) = _VERSION.findall(file.read_text(encoding="utf-8"))
    return Version(version)


def may_break(last: Version, current: Version) -> bool:
    """Whether a version tells the users of another that something may have broken."""
    if last.major:
        return current.major > last.major
    return current.release[:2] > last.release[:2]


def breakages(name: str, last: Version) -> str:
    """Return what griffe finds to be broken, one a line."""
    done = subprocess.run(
        ["griffe", "check", f"engine_{name}", "--search", f"packages/{name}/src",
         "--against", f"engine-{name}-v{last}", "--format", "oneline", "--no-color"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = (done.stdout + done.stderr).strip()
    if done.returncode and not found:
        raise RuntimeError(f"griffe ended with status {done.returncode} and without a word")
    return found if done.returncode else ""


def compare(name: str) -> bool:
    """Print what of a package has changed; return whether it may be released as it is."""
    last = last_release(name)
    if last is None:
        print(f"engine-{name}: no release yet (no tag engine-{name}-v…), nothing to compare with")
        return True
    found, current = breakages(name, last), current_version(name)
    if not found:
        print(f"engine-{name}: nothing is broken since {last}")
        return True
    print(f"engine-{name}: since {last} there is broken\n{found}")
    if may_break(last, current):
        print(f"engine-{name}: {current} says so, and raises the ranges of those that require it")
        return True
    part = "major" if last.major else "minor"
    print(f"engine-{name}: {current} does not say so; keep the old names, or bump the version:\n"
          f"    (cd packages/{name} && hatch version {part})")  # fmt: skip
    return False


def main(names: list[str]) -> int:
    """Compare the packages named, or all of them."""
    known = [folder.name for folder in PACKAGES]
    if unknown := sorted(set(names) - set(known)):
        print(f"no such package: {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    allowed = [compare(name) for name in known if not names or name in names]
    return not all(allowed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
