"""ARCHITECTURE.md says of every folder where what is, and names files that are there."""

from __future__ import annotations

import re

import pytest

from tests.workspace.tree import PACKAGES, ROOT, Package

TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def part(package: Package) -> str:
    """Return what is said of a package."""
    begin = TEXT.index(f"### {package.module}, in `packages/{package.name}`")
    return re.split(r"\n#+ ", TEXT[begin + 3 :], maxsplit=1)[0]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_what_is_named_is_there(package: Package) -> None:
    named = re.findall(r"`([\w/]+\.py)`", part(package))
    assert len(named) > 3
    assert [name for name in named if not (package.source / name).is_file()] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_every_folder_has_its_line(package: Package) -> None:
    folders = {
        file.parent.relative_to(package.source).as_posix() for file in package.source.rglob("*.py")
    }
    named = {
        name.rpartition("/")[0] or "." for name in re.findall(r"`([\w/]+\.py)`", part(package))
    }
    assert folders - named == set()
