"""What is noted of the changes makes a change log."""

from __future__ import annotations

import re

import pytest

from tests.workspace.commands import run
from tests.workspace.tree import PACKAGES, ROOT, Package

each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


def is_released(package: Package) -> bool:
    log = (package.folder / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.search(r"^## \d", log, re.MULTILINE) is not None


@each_package
def test_a_first_release_is_told_as_one(package: Package) -> None:
    if is_released(package):
        pytest.skip("it was the first once")
    draft = run(f"towncrier build --draft --version 0.1.0 --dir packages/{package.name}", ROOT)
    assert draft.stdout.lstrip().startswith("## 0.1.0 (")
    assert "\n- The first release: " in draft.stdout
